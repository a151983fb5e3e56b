"""What wheels without compiled code have in common as products."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from wheelhouse.package import wheel
from wheelhouse.package.wheel import CoreMetadata
from wheelhouse.targets import matrix
from wheelhouse.targets.matrix import WheelRow


@dataclass(frozen=True)
class PureWheel(ABC):
    """A wheel without compiled code; ``package`` is its import package."""

    package: str
    compiled: ClassVar = False
    needs_runtime: ClassVar = True

    @property
    @abstractmethod
    def metadata(self) -> CoreMetadata:
        """The core metadata."""

    @property
    def row(self) -> WheelRow:
        """Its row of matrix.toml."""
        return matrix.matrix().apps[self.package]

    @property
    def processor(self) -> str:
        """The processor of its systems and boards."""
        return self.row.processor

    @property
    def systems(self) -> tuple[str, ...]:
        """The systems to verify the wheel on, by Debian suite or name."""
        return self.row.systems

    @property
    def boards(self) -> tuple[str, ...]:
        """The boards to verify the wheel as, by name."""
        return self.row.boards

    @property
    def tag(self) -> str:
        """The Python tag and the ABI tag."""
        return wheel.PURE_TAG

    @property
    def label(self) -> str:
        """The name in messages and in the cache."""
        return f"{self.package}-{self.metadata.version}"
