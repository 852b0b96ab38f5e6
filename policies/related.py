"""Which resources are about one: its bucket policy, its alarms."""

from __future__ import annotations

from collections.abc import Iterator

from policies.view import Resource, Stack, listed

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"


def about(one: Resource, named: str, stack: Stack, token: str, by: str) -> list[Resource]:
    """The resources of a type whose input `by` is, or lists, this one's name, which stands in its own input `named`.

    Names count where both are known: what AWS looks at. Otherwise it counts where the value comes from.
    """
    return [it for it in stack.all(token) if _names(it, by, it.props.get(by), one, named)]


def watched(one: Resource, named: str, stack: Stack, dimension: str, suffix: str = "") -> set[tuple[str, str]]:
    """Metrics of this resource that an alarm of its own region watches, each with what a dimension has on its name.

    Args:
        one: the resource.
        named: its input that dimensions are told apart by: `identifier`.
        stack: all resources.
        dimension: the dimension that holds its name.
        suffix: what may follow the name there: `-` where a node's name begins with its group's.
    """
    found: set[tuple[str, str]] = set()
    for alarm in stack.all(ALARM):
        if alarm.get("region") != one.get("region"):
            continue
        for block, path in _metrics(alarm):
            dimensions = block.get("dimensions")
            value = dimensions.get(dimension) if isinstance(dimensions, dict) else None
            name = one.props.get(named)
            if suffix and isinstance(value, str) and isinstance(name, str) and value.startswith(f"{name}{suffix}"):
                found.add((str(block.get("metricName")), value.removeprefix(f"{name}{suffix}")))
            elif value is not None and _names(alarm, path, value, one, named):
                found.add((str(block.get("metricName")), ""))
    return found


def _metrics(alarm: Resource) -> Iterator[tuple[Resource, str]]:
    """Blocks with a metric's name and dimensions, each with the input that it stands in."""
    yield alarm, "dimensions"
    for query in alarm.items("metricQueries"):
        for metric in query.items("metric"):
            yield metric, "metricQueries"


def _names(other: Resource, by: str, value: object, one: Resource, named: str) -> bool:
    name = one.props.get(named)
    values = listed(value)
    if isinstance(name, str) and values and all(isinstance(it, str) for it in values):
        return name in values
    return one.urn in other.sources.get(by, ())
