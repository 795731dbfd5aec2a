"""The numbers at /metrics."""

from callcenter import metrics


def test_number_counted_anywhere_is_in_the_text() -> None:
    metrics.AMI_GAPS.labels("in-a-test").inc()
    assert b'callcenter_ami_gaps_total{link="in-a-test"} 1.0' in metrics.render()
    assert metrics.CONTENT_TYPE.startswith("text/plain")
