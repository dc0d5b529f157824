"""How a model's code is put into a folder."""

import sys

import pytest
from reason_hf import carried

from reason_cli import ReasonError

pytestmark = pytest.mark.xdist_group("hf")  # what one fixture exports, all of them read


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A function that installs a package of these modules."""

    def make(**modules):
        folder = tmp_path / "third_party"
        folder.mkdir()
        (folder / "__init__.py").write_text('"""Nothing."""\n')
        for name, text in modules.items():
            (folder / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))

    yield make
    for name in [name for name in sys.modules if name.startswith("third_party")]:
        del sys.modules[name]


def test_imports_are_made_relative_and_all_else_stays(package):
    code = '"""A model."""\n\nimport math\n\nfrom third_party.other import (  # kept apart\n    a,\n    b as c,\n)\n'
    code += "\nX = a + c  # why\n"
    package(model=code, other="a, b = 1, 2\n", unused="boom =\n")
    found = carried.sources(["third_party.model"])
    assert set(found) == {"third_party_model", "third_party_other"}
    text = found["third_party_model"]
    assert "from .third_party_other import a\nfrom .third_party_other import b as c\n" in text
    assert "import math\n" in text and "X = a + c  # why\n" in text and "third_party.other" not in text


def test_imports_inside_functions_and_of_modules_are_followed(package):
    code = "def f():\n    from . import other\n    from .more import x\n    return other.a + x\n"
    package(model=code, other="a = 1\n", more="x = 2\n")
    found = carried.sources(["third_party.model"])
    assert (
        "    from . import third_party_other as other\n    from .third_party_more import x\n"
        in found["third_party_model"]
    )
    assert {"third_party_other", "third_party_more"} <= set(found)


def test_what_is_for_type_checkers_and_registers_is_left_out(package):
    code = (
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from .nowhere import X\n\n"
        "from transformers import AutoConfig\n\nif False:\n    pass\n"
    )
    package(model=code)
    (text,) = carried.sources(["third_party.model"]).values()
    assert "nowhere" not in text and "if False:" in text and "AutoConfig" in text


def test_public_names_of_the_core_come_from_where_they_are_defined(package):
    package(model="from reason_cli import ReasonError, linear_cross_entropy\n")
    found = carried.sources(["third_party.model"])
    assert set(found) == {"third_party_model", "reason_cli_errors", "reason_cli_loss"}


def test_what_cannot_go_along_says_so(package):
    package(model="from reason_cli import model_folder\n")
    with pytest.raises(ReasonError, match="imports model_folder from reason_cli cannot go along"):
        carried.sources(["third_party.model"])


def test_an_import_that_has_no_form_in_a_folder_says_so(package):
    package(model="import reason_mamba.model\n")
    with pytest.raises(ReasonError, match="in a model's code cannot go along; write"):
        carried.sources(["third_party.model"])
