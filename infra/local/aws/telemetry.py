"""CloudWatch: logs, alarms and dashboards."""

from __future__ import annotations

from collections.abc import Mapping

from infra.local.aws.calls import call, put
from infra.local.aws.kind import Context, Kind, Values
from infra.local.aws.table import ApiKind, arn


def _retention(ctx: Context, id_: str, old: Values, new: Values) -> None:
    """0 days, like none, is for ever."""
    before, after = (int(each.get("retentionInDays") or 0) for each in (old, new))
    client = ctx.client("logs")
    if after and before != after:
        client.put_retention_policy(logGroupName=id_, retentionInDays=after)
    elif before and not after:
        client.delete_retention_policy(logGroupName=id_)


def _remove_log_group(ctx: Context, id_: str, outputs: Values) -> None:
    if not outputs.get("skipDestroy"):
        ctx.client("logs").delete_log_group(logGroupName=id_)


def _metric_filter(_: Context, values: Values) -> Values:
    given = values["metricTransformation"]
    names = {"name": "metricName", "namespace": "metricNamespace", "value": "metricValue"}
    return {**values, "metricTransformations": [{names.get(key, key): each for key, each in given.items()}]}


def _alarm(_: Context, values: Values) -> Values:
    """A query's metric carries period and statistic in Pulumi, and stands inside them in the API."""
    queries = []
    for query in values.get("metricQueries") or []:
        metric = query.get("metric")
        stat = (
            {
                "metric": {key: metric.get(key) for key in ("metricName", "namespace", "dimensions")},
                **{key: metric.get(key) for key in ("period", "stat", "unit")},
            }
            if metric
            else None
        )
        queries.append({**{key: each for key, each in query.items() if key != "metric"}, "metricStat": stat})
    return {**{key: each for key, each in values.items() if key != "metricQueries"}, "metrics": queries or None}


def _composite(_: Context, values: Values) -> Values:
    suppressor = values.get("actionsSuppressor")
    if not suppressor:
        return values
    return {
        **values,
        "actionsSuppressor": suppressor["alarm"],
        "actionsSuppressorExtensionPeriod": suppressor["extensionPeriod"],
        "actionsSuppressorWaitPeriod": suppressor["waitPeriod"],
    }


KINDS: Mapping[str, Kind] = {
    "aws:cloudwatch/logGroup:LogGroup": ApiKind(
        service="logs",
        make=call("create_log_group"),
        rename={"name": "logGroupName"},
        id="={name}",
        find=call("describe_log_groups", logGroupNamePrefix="{name}"),
        at="logGroups[?logGroupName == '{name}'] | [0]",
        outputs={"arn": arn("logs", "log-group:{name}")},
        watched={"retentionInDays": "retentionInDays"},
        settle=_retention,
        remove=_remove_log_group,
        named=("name", 512),
        tags="logs",
    ),
    "aws:cloudwatch/logStream:LogStream": ApiKind(
        service="logs",
        make=call("create_log_stream"),
        rename={"name": "logStreamName"},
        id="={name}",
        find=call("describe_log_streams", logGroupName="{logGroupName}", logStreamNamePrefix="{name}"),
        at="logStreams[?logStreamName == '{name}'] | [0]",
        outputs={"arn": arn("logs", "log-group:{logGroupName}:log-stream:{name}")},
        drop=call("delete_log_stream", logGroupName="{logGroupName}", logStreamName="{name}"),
        named=("name", 512),
    ),
    "aws:cloudwatch/logMetricFilter:LogMetricFilter": ApiKind(
        service="logs",
        make=call("put_metric_filter"),
        prepare=_metric_filter,
        rename={"name": "filterName", "pattern": "filterPattern"},
        id="={name}",
        find=call("describe_metric_filters", logGroupName="{logGroupName}", filterNamePrefix="{name}"),
        at="metricFilters[?filterName == '{name}'] | [0]",
        watched={"pattern": "filterPattern"},
        changes=(
            # moto would keep the old filter beside the new one.
            put("delete_metric_filter", "pattern", "metricTransformations"),
            put("put_metric_filter"),
        ),
        drop=call("delete_metric_filter", logGroupName="{logGroupName}", filterName="{name}"),
        named=("name", 512),
    ),
    "aws:cloudwatch/dashboard:Dashboard": ApiKind(
        service="cloudwatch",
        make=call("put_dashboard"),
        documents=("dashboardBody",),
        id="={dashboardName}",
        find=call("get_dashboard", DashboardName="{dashboardName}"),
        outputs={"dashboardArn": "DashboardArn"},
        watched={"dashboardBody": "DashboardBody"},
        changes=(put("put_dashboard"),),
        drop=call("delete_dashboards", DashboardNames=["{dashboardName}"]),
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": ApiKind(
        service="cloudwatch",
        make=call("put_metric_alarm"),
        prepare=_alarm,
        rename={"name": "AlarmName"},
        id="={name}",
        find=call("describe_alarms", AlarmNames=["{name}"]),
        at="MetricAlarms[0]",
        outputs={"arn": "AlarmArn"},
        watched={
            "actionsEnabled": "ActionsEnabled",
            "alarmActions": "AlarmActions",
            "comparisonOperator": "ComparisonOperator",
            "evaluationPeriods": "EvaluationPeriods",
            "threshold": "Threshold",
        },
        changes=(put("put_metric_alarm"),),
        drop=call("delete_alarms", AlarmNames=["{name}"]),
        named=("name", 255),
        tags="cloudwatch",
    ),
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": ApiKind(
        service="cloudwatch",
        make=call("put_composite_alarm"),
        prepare=_composite,
        id="={alarmName}",
        find=call("describe_alarms", AlarmNames=["{alarmName}"], AlarmTypes=["CompositeAlarm"]),
        at="CompositeAlarms[0]",
        outputs={"arn": "AlarmArn"},
        watched={"alarmActions": "AlarmActions", "alarmRule": "AlarmRule"},
        changes=(put("put_composite_alarm"),),
        drop=call("delete_alarms", AlarmNames=["{alarmName}"]),
        tags="cloudwatch",
    ),
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": ApiKind(
        service="logs",
        make=call("put_resource_policy"),
        documents=("policyDocument",),
        id="={policyName}",
        find=call("describe_resource_policies"),
        at="resourcePolicies[?policyName == '{policyName}'] | [0]",
        watched={"policyDocument": "policyDocument"},
        changes=(put("put_resource_policy"),),
        drop=call("delete_resource_policy", policyName="{policyName}"),
    ),
    "aws:cloudwatch/logDeliverySource:LogDeliverySource": ApiKind(
        service="logs",
        make=call("put_delivery_source"),
        id="={name}",
        find=call("get_delivery_source", name="{name}"),
        at="deliverySource",
        outputs={"arn": "arn", "service": "service"},
        drop=call("delete_delivery_source", name="{name}"),
        tags="logs",
    ),
    "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination": ApiKind(
        service="logs",
        make=call("put_delivery_destination"),
        id="={name}",
        find=call("get_delivery_destination", name="{name}"),
        at="deliveryDestination",
        outputs={"arn": "arn", "deliveryDestinationType": "deliveryDestinationType"},
        changes=(put("put_delivery_destination"),),
        drop=call("delete_delivery_destination", name="{name}"),
        tags="logs",
    ),
    "aws:cloudwatch/logDelivery:LogDelivery": ApiKind(
        service="logs",
        make=call("create_delivery"),
        id="delivery.id",
        find=call("get_delivery", id="{id}"),
        at="delivery",
        outputs={"arn": "arn"},
        # moto has no UpdateDeliveryConfiguration: a change is kept in the state alone.
        drop=call("delete_delivery", id="{id}"),
        tags="logs",
    ),
}
