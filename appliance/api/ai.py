"""Models and the workers that run them: what there is, how they fare, loading and unloading."""

from __future__ import annotations

import trio

from appliance.api.ai_shapes import AdminModels, AiHealth, AiInfo, ModelView, health_view, model_view, task_view
from appliance.api.bodies import AiSetupBody
from appliance.api.call import Call
from appliance.api.pages import Page
from appliance.errors import UserError
from appliance.inference.health import ModelHealth
from appliance.inference.replies import InferenceError
from appliance.store import audit

# To load a model: seconds mostly; TensorRT's engines take minutes, and go on being built when nobody waits.
SETUP_WITHIN_S = 60.0

_STATUS = {
    "ai_off": 503,
    "model_unknown": 404,
    "model_not_installed": 503,
    "model_broken": 503,
    "model_unavailable": 503,
    "overloaded": 503,
    "expired": 504,
    "worker_died": 503,
    "stopping": 503,
    "out_of_memory": 503,
    "task_failed": 500,
}
KNOWN_CODES = frozenset(_STATUS)
"""What is said of models and workers; every other code is of what was sent."""
_RETRY_S = {"overloaded": 2.0, "worker_died": 2.0, "stopping": 5.0}


def refusal(error: InferenceError, *, field: str | None = None) -> UserError:
    """The HTTP answer to a request that no model answered; what a task itself refuses is 422."""
    status = _STATUS.get(error.code, 422)
    return UserError(status, error.code, str(error), field=field, retry_after_s=_RETRY_S.get(error.code))


async def list_models(call: Call) -> Page[ModelView]:
    """Every model that this server knows, installed or not; all on one page."""
    models = call.services.inference.list_models()
    return Page(items=[model_view(model) for model in models], next_cursor=None)


async def info(call: Call) -> AiInfo:
    """What the AI functions can do here, and why not where they cannot."""
    inference = call.services.inference
    models = inference.list_models()
    installed = {model.name for model in models if model.installed}
    catalog = inference.models.catalog
    tasks = tuple(
        task_view(task, catalog.of_task(task), installed, enabled=inference.enabled) for task in catalog.tasks()
    )
    return AiInfo(enabled=inference.enabled, tasks=tasks)


async def health(call: Call) -> AiHealth:
    """How they fare: whether workers answer, what they compute on, what had to be dropped."""
    inference = call.services.inference
    workers = inference.statistics()["workers"].values()
    return health_view(inference.health(), gpu_unused=any(worker["gpu_unused"] for worker in workers))


async def list_for_admin(call: Call) -> AdminModels:
    """Every model and every worker, with all that is known of them."""
    inference = call.services.inference
    models = inference.list_models()
    return AdminModels(health=inference.health(), models=models)


async def setup(call: Call, body: AiSetupBody) -> ModelHealth:
    """Load, unload, pin or unpin a model at every worker; the answer is how it is then.

    404 for a model that the catalog does not have, 503 for one that is not installed, is broken, or has no worker.
    """
    inference = call.services.inference
    try:
        with trio.fail_after(SETUP_WITHIN_S):
            match body.action:
                case "load":
                    await inference.load(body.model)
                case "unload":
                    await inference.unload(body.model)
                case _:
                    await inference.pin(body.model, body.action == "pin")
    except InferenceError as error:
        raise refusal(error, field="model") from None
    except trio.TooSlowError:
        message = f"{body.model} did not load within {SETUP_WITHIN_S:.0f} s; it goes on"
        raise UserError(504, "expired", message, field="model") from None
    await call.run(audit.insert, call.audit_entry(f"admin.model.{body.action}", target=body.model))
    models = inference.list_models()
    return next(model for model in models if model.name == body.model)
