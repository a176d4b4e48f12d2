"""The endpoints. Those that read or write the workspace are plain functions, which run in a pool of threads."""

from __future__ import annotations

from fastapi import APIRouter, Response

from ufseg._version import __version__
from ufseg.engine.engine import Engine
from ufseg.errors import InputError
from ufseg.service.arrivals import Arrivals
from ufseg.service.schemas import CaseRequest, ClassRequest, DeviceAnswer, Health, RestoreRequest, TaskRequest
from ufseg.workspace.records import Case, LabelRevision, RevisionDiff, Task
from ufseg.workspace.revisions import RevisionRequest
from ufseg.workspace.workspace import Workspace


def health_routes(engine: Engine) -> APIRouter:
    """Whether the service lives; answered without touching the disk."""
    router = APIRouter(tags=["health"])

    @router.get("/health")
    async def health() -> Health:
        """Answers at once, whatever is being computed."""
        device = engine.device
        return Health(
            status="ok",
            version=__version__,
            device=None if device is None else DeviceAnswer.model_validate(device),
            running_jobs=engine.running_jobs(),
        )

    return router


def task_routes(workspace: Workspace) -> APIRouter:
    """Tasks and their classes."""
    router = APIRouter(tags=["tasks"])

    @router.get("/tasks")
    def tasks() -> list[Task]:
        """All tasks, oldest first."""
        return workspace.tasks.all()

    @router.post("/tasks", status_code=201)
    def create_task(body: TaskRequest) -> Task:
        """Make a task."""
        return workspace.tasks.create(body.name, body.modality, body.channels, body.table(), body.validation_fraction)

    @router.get("/tasks/{task}")
    def task(task: str) -> Task:
        """One task."""
        return workspace.tasks.get(task)

    @router.post("/tasks/{task}/classes", status_code=201)
    def add_class(task: str, body: ClassRequest) -> Task:
        """Add a class; values that are in use keep their meaning."""
        return workspace.tasks.add_class(task, body.name, body.value, body.color, body.terminology)

    return router


def case_routes(workspace: Workspace, arrivals: Arrivals) -> APIRouter:
    """Cases and their label revisions."""
    router = APIRouter(tags=["cases"])

    @router.get("/tasks/{task}/cases")
    def cases(task: str) -> list[Case]:
        """The cases of a task, oldest first."""
        return workspace.cases.of_task(task)

    @router.post("/tasks/{task}/cases", status_code=201, responses={200: {"model": Case}})
    def add_case(task: str, body: CaseRequest, response: Response) -> Case:
        """Make a case of uploaded images, or find the one that has them (status 200)."""
        arrivals.settle(body.images)
        case, new = workspace.cases.add(task, body.name, body.subject, body.images)
        response.status_code = 201 if new else 200
        return case

    @router.get("/cases/{case}")
    def case(case: str) -> Case:
        """One case."""
        return workspace.cases.get(case)

    @router.post("/cases/{case}/revisions", status_code=201)
    def submit(case: str, body: RevisionRequest) -> LabelRevision:
        """Append a label revision; when this answers, it is on the disk."""
        arrivals.settle([body.label])
        return workspace.revisions.submit(case, body)

    @router.get("/cases/{case}/revisions")
    def revisions(case: str) -> list[LabelRevision]:
        """The revisions of a case, oldest first."""
        return workspace.revisions.of_case(case)

    @router.get("/revisions/{revision}")
    def revision(revision: str) -> LabelRevision:
        """One revision."""
        return workspace.revisions.get(revision)

    @router.get("/revisions/{revision}/diff")
    def diff(revision: str, against: str | None = None) -> RevisionDiff:
        """What a revision changed in another of its case, by default in its parent."""
        return workspace.history.diff(revision, against)

    @router.post("/cases/{case}/restore", status_code=201)
    def restore(case: str, body: RestoreRequest) -> LabelRevision:
        """Put an earlier revision back as a new one; when this answers, it is on the disk."""
        if workspace.revisions.get(body.revision).case != workspace.cases.get(case).id:
            raise InputError(f"The revision {body.revision} belongs to another case than {case}. Give one of its own.")
        return workspace.history.restore(body.revision, body.author, body.note)

    return router
