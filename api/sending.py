"""Where spans go: to the collector that the OTEL_ settings name. Only those who want traces have its packages."""

from __future__ import annotations

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def provider() -> TracerProvider:
    """Return what makes spans and sends them, from a thread of its own."""
    named = Resource({"service.name": "calyx"}).merge(OTELResourceDetector().detect())
    # FastAPI would set this up, too, but ends only when all is sent: that takes 10 s, or 30.
    made = TracerProvider(resource=named, shutdown_on_exit=False)
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return made
