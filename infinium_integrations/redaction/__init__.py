"""The one choke point: secrets go out of every text before it touches the disk or leaves the process."""

from infinium_integrations.redaction.redactor import Redactor, process_secrets

__all__ = ["Redactor", "process_secrets"]
