"""The finished folder on the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from reason_cli import ReasonError

LOCAL = ["export.json"]  # it names folders of this machine
LOGIN = "run `hf auth login`, or set HF_TOKEN"


def upload(folder: Path, repository: str, private: bool) -> str:
    """Make the repository where there is none, and upload the folder. Gives what was done.

    Raises `ReasonError` when the hub cannot be reached or does not take it.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled

    api = HfApi()
    try:
        made = api.create_repo(repository, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=made.repo_id, folder_path=folder, ignore_patterns=LOCAL, commit_message=f"{folder.name} of reason"
        )
    except HFValidationError:
        raise ReasonError(f"'{repository}' is no repository", "pass --push OWNER/NAME", usage=True) from None
    except LocalTokenNotFoundError:
        raise _kept(f"no token to upload to {repository} with", LOGIN, folder) from None
    except OfflineModeIsEnabled:
        raise _kept(f"{repository} is on the hub, and it is off", "unset HF_HUB_OFFLINE", folder) from None
    except HfHubHTTPError as error:
        raise _refused(error, repository, folder) from None
    except Exception as error:  # what is under the hub's client differs by version, and so do its kinds of errors
        problem = f"the hub cannot be reached for {repository} ({type(error).__name__})"
        raise _kept(problem, "try again", folder) from None
    return f"uploaded to https://huggingface.co/{made.repo_id}"


def _refused(error: Exception, repository: str, folder: Path) -> ReasonError:
    """What the hub's answer means."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401:
        return _kept(f"the hub does not know who uploads to {repository}", LOGIN, folder)
    if status in (403, 404):
        hint = "pass a repository of your own, and a token that may write"
        return _kept(f"the hub does not let you write to {repository}", hint, folder)
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return _kept(f"the hub does not take {repository}: {line}", "try again", folder)


def _kept(problem: str, hint: str, folder: Path) -> ReasonError:
    return ReasonError(problem, f"{hint}; {folder} is whole, and `hf upload` takes it too")
