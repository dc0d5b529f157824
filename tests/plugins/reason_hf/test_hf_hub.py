"""`--push`: what is asked of the hub, and what its refusals say."""

import pytest
from reason_hf.exporter import HuggingFace, HuggingFaceOptions

from reason_cli import ReasonError

pytestmark = pytest.mark.xdist_group("hf")  # what one fixture exports, all of them read


@pytest.fixture
def hub(monkeypatch):
    """What was asked of the hub; `refuse` makes it refuse."""
    import huggingface_hub

    class Hub:
        calls, refuse = [], None

        def create_repo(self, repository, **how):
            if Hub.refuse is not None:
                raise Hub.refuse
            Hub.calls.append((repository, how))
            return type("Made", (), {"repo_id": repository})

        def upload_folder(self, **how):
            Hub.calls.append(how)

    Hub.calls, Hub.refuse = [], None
    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    return Hub


def test_nothing_is_asked_of_the_hub_unless_it_is_wanted(hub, tmp_path):
    assert HuggingFace().publish(tmp_path, HuggingFaceOptions()) == "" and not hub.calls


def test_the_folder_is_uploaded_without_what_names_this_machine(hub, tmp_path):
    said = HuggingFace().publish(tmp_path, HuggingFaceOptions(push="me/model", private=False))
    assert said == "uploaded to https://huggingface.co/me/model"
    assert hub.calls[0] == ("me/model", {"private": False, "exist_ok": True})
    assert hub.calls[1]["folder_path"] == tmp_path and hub.calls[1]["ignore_patterns"] == ["export.json"]


def refusal(status):
    from huggingface_hub.errors import HfHubHTTPError

    error = HfHubHTTPError.__new__(HfHubHTTPError)
    Exception.__init__(error, "no")
    error.response = type("Response", (), {"status_code": status})()
    return error


def test_refusals_are_one_line_with_the_next_step(hub, tmp_path):
    from huggingface_hub.errors import LocalTokenNotFoundError, OfflineModeIsEnabled

    expected = {
        "does not know who uploads to me/model; run `hf auth login`": refusal(401),
        "does not let you write to me/model; pass a repository of your own": refusal(403),
        "no token to upload to me/model with; run `hf auth login`": LocalTokenNotFoundError(),
        "it is off; unset HF_HUB_OFFLINE": OfflineModeIsEnabled(),
        "cannot be reached for me/model": ConnectionError("x"),
    }
    for words, hub.refuse in expected.items():
        with pytest.raises(ReasonError) as caught:
            HuggingFace().publish(tmp_path, HuggingFaceOptions(push="me/model"))
        assert words in str(caught.value)
        assert f"{tmp_path} is whole: `hf upload me/model {tmp_path} --exclude export.json` uploads it" in str(
            caught.value
        )


@pytest.mark.parametrize("name", ["bad name", "a/b/c", "me//x"])
def test_what_is_no_repository_is_seen_before_anything_is_written(name):
    with pytest.raises(ReasonError, match="is no repository; pass --push OWNER/NAME") as caught:
        HuggingFace().refuses(None, HuggingFaceOptions(push=name))
    assert caught.value.usage
