"""What a server counts, as Prometheus reads it."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from jaxdl.inference.serving.figures import Figures


def test_requests_and_batches_are_counted() -> None:
    figures = Figures(lambda: 7, lambda: 1234, 4)
    for status in (200, 200, 413):
        figures.request(status, 0.003)
    figures.batch(3, 0.02)
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(figures.text().decode())
        for sample in family.samples
    }
    assert found["jaxdl_requests_total", "200"] == 2
    assert found["jaxdl_requests_total", "413"] == 1
    assert found["jaxdl_request_seconds_bucket", "0.0025"] == 0
    assert found["jaxdl_request_seconds_bucket", "0.005"] == 3
    assert found["jaxdl_batch_examples_bucket", "2.0"] == 0
    assert found["jaxdl_batch_examples_bucket", "4.0"] == 1
    assert found["jaxdl_waiting_examples",] == 7
    assert found["jaxdl_held_bytes",] == 1234
    assert found["process_resident_memory_bytes",] > 1e6
