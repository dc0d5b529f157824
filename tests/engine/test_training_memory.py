"""The memory of training: what is alive when most is held."""

import pytest

from reason_cli import Estimate
from reason_cli.engine.memory import HEAP_KEPT, HEAP_LARGEST, OPTIMIZERS, training_memory

WEIGHTS, GRADIENTS, STATES = 4_000, 4_000, 8_000


def estimate(activations, working=200, logits=70, closing=30):
    return Estimate(1_000, 1_000, 2_000, WEIGHTS, GRADIENTS, activations, working, logits, closing)


def test_a_step_short_of_tokens_holds_most_when_all_gradients_are_there():
    memory = training_memory(estimate(300))
    assert (memory.weights, memory.gradients, memory.optimizer) == (WEIGHTS, GRADIENTS + 30, STATES)
    assert memory.activations == memory.logits == 0
    assert memory.total == WEIGHTS + GRADIENTS + 30 + STATES


def test_a_long_step_holds_most_in_its_loss_or_when_its_backward_pass_begins():
    begins = training_memory(estimate(90_000))
    assert (begins.activations, begins.logits, begins.gradients) == (90_200, 0, 0)
    loss = training_memory(estimate(90_000, logits=5_000))
    assert (loss.activations, loss.logits, loss.gradients) == (90_000, 5_000, 0)
    assert loss.total == WEIGHTS + STATES + 95_000


def test_gradients_of_earlier_passes_are_there_all_the_time():
    memory = training_memory(estimate(90_000), gradient_accumulation_steps=2)
    assert memory.total == training_memory(estimate(90_000)).total + GRADIENTS
    assert training_memory(estimate(300), gradient_accumulation_steps=2).gradients == GRADIENTS


def test_on_a_cpu_the_heap_keeps_a_share_of_what_other_moments_needed():
    short, long = (training_memory(estimate(n), device_type="cpu") for n in (300, 90_000))
    assert short.heap == int(HEAP_KEPT * (300 + 200 + 70)) and long.heap == int(HEAP_KEPT * (GRADIENTS + 70 + 30))
    large = training_memory(estimate(300, logits=HEAP_LARGEST + 1), device_type="cpu")
    assert large.logits == HEAP_LARGEST + 1 and large.heap == int(HEAP_KEPT * (GRADIENTS + 200 + 30))
    for memory, activations in ((short, 300), (long, 90_000)):
        assert memory.total - memory.heap == training_memory(estimate(activations)).total


@pytest.mark.parametrize(("name", "each"), [("adamw", 8), ("adamw_8bit", 2), ("paged_adamw_8bit", 0)])
def test_the_optimizer_keeps_what_its_states_take_on_the_device(name, each):
    assert training_memory(estimate(300), name).optimizer == each * 1_000
    assert name in OPTIMIZERS


def test_an_average_of_the_weights_is_one_more_copy():
    plain, averaged = (training_memory(estimate(300), averaged=kept) for kept in (False, True))
    assert averaged.optimizer == plain.optimizer + 4_000 and averaged.total == plain.total + 4_000
