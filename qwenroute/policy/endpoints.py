"""Endpoints as the file writes them, and how the environment fills them in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from qwenroute.documents import nearest
from qwenroute.domain.capability import RateLimits
from qwenroute.domain.endpoint import Endpoint, Served
from qwenroute.errors import ConfigurationError

if TYPE_CHECKING:
    from qwenroute.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A value that stands in the file, or in a variable, or in a file of its own."""

    literal: str | None = None
    env: str | None = None
    file: Path | None = None
    default: str | None = None
    optional: bool = False

    @property
    def source(self) -> str:
        """Where the value comes from, for messages."""
        return self.env or (str(self.file) if self.file else "the policy")

    def read(self, environ: Mapping[str, str]) -> str | None:
        """Return the value, or None where there is none. An empty variable counts as not set."""
        if self.env is not None:
            return environ.get(self.env, "").strip() or self.default
        if self.file is not None:
            try:
                return self.file.read_text(encoding="utf-8").strip() or None
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigurationError(f"{self.file}: cannot read this secret: {error}") from error
        return self.literal

    def lacks(self, environ: Mapping[str, str]) -> bool:
        """Whether a variable that is needed is not set."""
        return self.env is not None and not self.optional and self.read(environ) is None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointTemplate:
    """One entry under `endpoints`, before the environment is known."""

    name: str
    provider: str
    region: Setting | None = None
    workspace: Setting | None = None
    base_url: Setting | None = None
    api_key: Setting | None = None
    models: tuple[Served, ...] | Setting | None = None
    """A setting holds registry ids between commas, `id=served-name` where the names differ."""
    weight: float = 1.0
    rate_limits: RateLimits = field(default_factory=RateLimits)
    tags: frozenset[str] = frozenset()

    def missing(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Return the variables without which the endpoint cannot be used."""
        needed = [self.api_key, self.region, self.workspace]
        if self.provider == "openai_compatible":
            needed.append(self.base_url)
        return tuple(s.source for s in needed if s is not None and s.lacks(environ))

    def fill(self, environ: Mapping[str, str], registry: Registry) -> Endpoint:
        """Return the endpoint.

        Raises:
            ConfigurationError: a variable has a value that cannot be right.
        """

        def read(setting: Setting | None) -> str | None:
            return None if setting is None else setting.read(environ)

        region = read(self.region)
        if region is not None and self.region is not None and region not in registry.regions:
            close = nearest(region, registry.regions)
            hint = f"did you mean `{close}`?" if close else f"known: {', '.join(sorted(registry.regions))}"
            raise ConfigurationError(f"{self.region.source}: there is no region `{region}`; {hint}")
        base_url = read(self.base_url)
        if base_url is None and self.provider == "dashscope" and region is not None:
            base_url = registry.base_url(region, read(self.workspace))
        if base_url is not None and not base_url.startswith(("http://", "https://")):
            source = "the policy" if self.base_url is None else self.base_url.source
            raise ConfigurationError(f"{source}: `{base_url}` is no address; it has to begin with http:// or https://")
        return Endpoint(
            name=self.name,
            provider=self.provider,
            region=region,
            base_url=None if base_url is None else base_url.rstrip("/"),
            api_key=read(self.api_key),
            served=self.served(environ, registry),
            weight=self.weight,
            rate_limits=self.rate_limits,
            tags=self.tags,
        )

    def served(self, environ: Mapping[str, str], registry: Registry) -> tuple[Served, ...] | None:
        """Return what it is stated to serve; None: whatever is alive there.

        Raises:
            ConfigurationError: nothing is stated where it has to be, or a model is unknown.
        """
        if not isinstance(self.models, Setting):
            return self.models
        text = self.models.read(environ)
        if text is None:
            if self.provider == "dashscope":
                return None
            raise ConfigurationError(
                f"{self.models.source}: endpoint `{self.name}` does not say what it serves; "
                "write registry ids between commas, `id=served-name` where the names differ "
                "(`qwenroute models` lists the ids)"
            )
        served = []
        for entry in filter(None, (part.strip() for part in text.split(","))):
            name, _, wire = (part.strip() for part in entry.partition("="))
            found = registry.find(name)
            if found is None:
                close = registry.suggest(name)
                hint = f"did you mean `{close}`?" if close else "`qwenroute models` lists the ids"
                raise ConfigurationError(f"{self.models.source}: there is no model `{name}`; {hint}")
            served.append(Served(model=found.card.id, wire_model=wire or (None if name == found.card.id else name)))
        return tuple(served)
