"""The finished folder on the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from reason_cli import ReasonError

LOCAL = ["export.json"]  # it names folders of this machine
LOGIN = "run `hf auth login`, or set HF_TOKEN"


def check_name(repository: str) -> None:
    """Raises `ReasonError` for what cannot be a repository's name."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repository)
    except HFValidationError:
        raise ReasonError(f"'{repository}' is no repository", "pass --push OWNER/NAME", usage=True) from None


def upload(folder: Path, repository: str, private: bool) -> str:
    """Make the repository where there is none, and upload the folder. Gives what was done.

    Raises `ReasonError` when the hub cannot be reached or does not take it.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled

    api = HfApi()
    try:
        made = api.create_repo(repository, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=made.repo_id, folder_path=folder, ignore_patterns=LOCAL, commit_message=f"{folder.name} of reason"
        )
    except LocalTokenNotFoundError:
        raise _kept(f"no token to upload to {repository} with", LOGIN, repository, folder) from None
    except OfflineModeIsEnabled:
        raise _kept(f"{repository} is on the hub, and it is off", "unset HF_HUB_OFFLINE", repository, folder) from None
    except HfHubHTTPError as error:
        raise _refused(error, repository, folder) from None
    except Exception as error:  # what is under the hub's client differs by version, and so do its kinds of errors
        problem = f"the hub cannot be reached for {repository} ({type(error).__name__})"
        raise _kept(problem, "see to the connection", repository, folder) from None
    return f"uploaded to https://huggingface.co/{made.repo_id}"


def _refused(error: Exception, repository: str, folder: Path) -> ReasonError:
    """What the hub's answer means."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401:
        return _kept(f"the hub does not know who uploads to {repository}", LOGIN, repository, folder)
    if status in (403, 404):
        hint = "pass a repository of your own, and a token that may write"
        return _kept(f"the hub does not let you write to {repository}", hint, repository, folder)
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return _kept(f"the hub does not take {repository}: {line}", "see to what it says", repository, folder)


def _kept(problem: str, hint: str, repository: str, folder: Path) -> ReasonError:
    return ReasonError(
        problem, f"{hint}; {folder} is whole: `hf upload {repository} {folder} --exclude export.json` uploads it"
    )
