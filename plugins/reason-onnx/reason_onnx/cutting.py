"""A graph as several, each with one walk over the text: what threads need to read a text together, see `pipeline`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onnxscript import ir

IDS, LOGITS, AFTER = "input_ids", "logits", "_out"


def stages(model: ir.Model) -> list[ir.Model]:
    """One graph behind another; none where there is nothing to cut.

    Each takes what the one before it gives first, and of the whole graph's inputs and states those that it needs; it
    gives what is remembered of its states behind. A state that comes of no layer, whoever needs it gives, the same. Of
    another stage's state only the size may be asked, which no token changes. The last gives the logits.
    """
    graph = model.graph
    come = of_tokens(graph)
    cuts = between_walks(graph, come)
    if not cuts:
        return []
    number = numbered(graph, come, cuts)
    ends = [*cuts, *logits_of(graph)]
    found = []
    for place, (begin, end) in enumerate(zip([None, *cuts], ends, strict=True)):
        own = [value for value in graph.outputs if value is not end and number.get(value) == place]
        names = {f"{value.name}{AFTER}" for value in graph.inputs if value in reached([end, *own], begin)}
        shared = [value for value in graph.outputs if value not in come and value.name in names]
        outputs = [end, *own, *shared]
        given = [value for value in graph.inputs if value in reached(outputs, begin)]
        part = ir.convenience.extract(graph, given if begin is None else [begin, *given], outputs)
        found.append(ir.Model(part, ir_version=model.ir_version))
    return found


def of_tokens(graph: ir.Graph) -> set[ir.Value]:
    """All that comes of the ids of tokens: of masks, states and sizes each stage can make again what it needs."""
    come = {value for value in graph.inputs if value.name == IDS}
    for node in graph:
        if node.op_type != "Shape" and not come.isdisjoint(used(node)):
            come.update(node.outputs)
    return come


def between_walks(graph: ir.Graph, come: set[ir.Value]) -> list[ir.Value]:
    """Between one walk and the next: where of all that comes of the tokens the logits still need one value alone."""
    needed = reached(logits_of(graph), None)
    order = [node for node in graph if not needed.isdisjoint(node.outputs)]
    last = {value: place for place, node in enumerate(order) for value in used(node)}
    live: set[ir.Value] = set()
    cuts: list[ir.Value] = []
    alone: list[ir.Value] = []  # the first that is, behind the newest walk
    walked = False
    for place, node in enumerate(order):
        if node.op_type == "Scan":
            cuts, alone, walked = [*cuts, *alone], [], True
        live = {value for value in [*live, *node.outputs] if value in come and last.get(value, -1) > place}
        if walked and not alone and len(live) == 1:
            alone = [*live]
    return cuts


def numbered(graph: ir.Graph, come: set[ir.Value], cuts: list[ir.Value]) -> dict[ir.Value, int]:
    """The stage in which each value that comes of the tokens is known."""
    behind, number = {cut: place for place, cut in enumerate(cuts, 1)}, dict.fromkeys(come, 0)
    for node in graph:
        if not come.isdisjoint(node.outputs):
            known = max(behind.get(value, number[value]) for value in used(node) if value in come)
            number.update(dict.fromkeys(node.outputs, known))
    return number


def reached(ends: Iterable[ir.Value], begin: ir.Value | None) -> set[ir.Value]:
    """All that these come of, back to `begin`, which is left out."""
    found: set[ir.Value] = set()
    left = list(ends)
    while left:
        value = left.pop()
        if value is not begin and value not in found:
            found.add(value)
            node = value.producer()
            left.extend(() if node is None else used(node))
    return found


def used(node: ir.Node) -> Iterator[ir.Value]:
    """What a node takes, and what the graphs within it take, of themselves and of what is around them."""
    yield from (value for value in node.inputs if value is not None)
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            for inner in attribute.as_graph():
                yield from used(inner)
            yield from attribute.as_graph().outputs


def logits_of(graph: ir.Graph) -> list[ir.Value]:
    """The output that is no state."""
    return [value for value in graph.outputs if value.name == LOGITS]
