"""What is written down, and who hears of it: log groups, alarms, the account's trail and GuardDuty."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policies.rule import ROOT, Level, Rules, Severity
from policies.view import Resource, Stack

RULES = Rules()
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
EVENT_RULE = "aws:cloudwatch/eventRule:EventRule"
EVENT_TARGET = "aws:cloudwatch/eventTarget:EventTarget"
TRAIL = "aws:cloudtrail/trail:Trail"
DETECTOR = "aws:guardduty/detector:Detector"
RUNBOOKS: Final = "docs/runbooks/"


def watched(one: Resource, stack: Stack) -> set[str]:
    """Names of a resource's metrics that an alarm watches of which somebody hears."""
    found: set[str] = set()
    for alarm in stack.users(one, ALARM, of=("dimensions", "metricQueries")):
        if alarm.has("alarmActions") and alarm.get("actionsEnabled") is not False:
            metrics = [alarm, *(query for block in alarm.items("metricQueries") for query in block.items("metric"))]
            found.update(str(metric.get("metricName")) for metric in metrics if metric.has("metricName"))
    return found


@RULES.on(
    LOG_GROUP,
    id="logs-retention",
    severity=Severity.MEDIUM,
    level=Level.MANDATORY,
    demands="Every log group says how long it keeps what it has.",
    remedy="set retentionInDays; what must be kept for years belongs in a bucket",
    frameworks=("Checkov CKV_AWS_66",),
)
def retention(one: Resource) -> Iterator[str]:
    """0 is for ever, as nothing is."""
    if not one.get("retentionInDays"):
        yield "it keeps everything for ever"


@RULES.on(
    LOG_GROUP,
    id="logs-own-key",
    severity=Severity.LOW,
    level=Level.ADVISORY,
    demands="Log groups are encrypted with a key of the account's own.",
    remedy="set kmsKeyId to a key whose policy lets CloudWatch Logs use it; that changes the group in place",
    frameworks=("Checkov CKV_AWS_158",),
)
def own_key(one: Resource) -> Iterator[str]:
    """Without one CloudWatch Logs encrypts with the service's."""
    if not one.has("kmsKeyId"):
        yield "it is encrypted with the service's key"


@RULES.on(
    ALARM,
    id="alarm-notifies",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="Somebody hears of every alarm.",
    remedy="set alarmActions to a topic, and leave actionsEnabled on",
    frameworks=("Checkov CKV_AWS_319",),
)
def alarm_notifies(one: Resource) -> Iterator[str]:
    """Actions are on by default."""
    if not one.has("alarmActions"):
        yield "nobody hears of it"
    elif one.get("actionsEnabled") is False:
        yield "its actions are switched off"


@RULES.on(
    ALARM,
    id="alarm-missing-data",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Every alarm says what silence means.",
    remedy="set treatMissingData: breaching where silence is the fault, notBreaching where there is nothing to count",
)
def alarm_missing_data(one: Resource) -> Iterator[str]:
    """By default an alarm without data goes to INSUFFICIENT_DATA, of which nobody hears."""
    if one.get("treatMissingData") not in ("breaching", "notBreaching", "ignore"):
        yield "nothing says what missing data means"


@RULES.on(
    ALARM,
    id="alarm-runbook",
    severity=Severity.LOW,
    level=Level.ADVISORY,
    demands="Every alarm names the page that says what to do.",
    remedy="end alarmDescription with the path of a page in docs/runbooks",
)
def alarm_runbook(one: Resource) -> Iterator[str]:
    """Whoever is woken starts there."""
    if RUNBOOKS not in str(one.get("alarmDescription")):
        yield "its description names no runbook"


@RULES.between(
    EVENT_RULE,
    id="events-rule-target",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="Every EventBridge rule has a target.",
    remedy="add a cloudwatch.EventTarget for the rule, or take the rule away",
)
def rule_target(one: Resource, stack: Stack) -> Iterator[str]:
    """GuardDuty's findings and the snapshots to export reach nobody else."""
    targets = stack.users(one, EVENT_TARGET, of=("rule",))
    if not any(target.has("arn") for target in targets):
        yield "its events go nowhere"


@RULES.between(
    ROOT,
    TRAIL,
    id="cloudtrail-all-regions",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="A trail writes down who does what in the account, in all regions and in the global services.",
    remedy="have a cloudtrail.Trail with isMultiRegionTrail and includeGlobalServiceEvents, and do not stop it",
    frameworks=("FSBP CloudTrail.1", "Checkov CKV_AWS_67"),
)
def trail_all_regions(one: Resource, stack: Stack) -> Iterator[str]:
    """What happens in a region that the product does not use is what nobody would see."""
    if one.type == ROOT:
        if not stack.all(TRAIL):
            yield "there is no trail"
    elif one.get("isMultiRegionTrail") is not True:
        yield "it sees one region only"
    elif one.get("includeGlobalServiceEvents") is False:
        yield "it leaves out the global services"
    elif one.get("enableLogging") is False:
        yield "it is stopped"


@RULES.on(
    TRAIL,
    id="cloudtrail-validated",
    severity=Severity.MEDIUM,
    level=Level.PRODUCTION,
    demands="Files of a trail are signed, so that a change to them shows.",
    remedy="set enableLogFileValidation to true",
    frameworks=("FSBP CloudTrail.4", "Checkov CKV_AWS_36"),
)
def trail_validated(one: Resource) -> Iterator[str]:
    """AWS's default is not to."""
    if one.get("enableLogFileValidation") is not True:
        yield "nobody could tell whether its files were changed"


@RULES.between(
    ROOT,
    DETECTOR,
    id="guardduty-enabled",
    severity=Severity.HIGH,
    level=Level.PRODUCTION,
    demands="GuardDuty looks for attacks on the account.",
    remedy="have a guardduty.Detector, and leave enable on; one that exists already can be imported",
    frameworks=("FSBP GuardDuty.1",),
)
def guardduty_enabled(one: Resource, stack: Stack) -> Iterator[str]:
    """On by default, where there is a detector."""
    if one.type == ROOT:
        if not stack.all(DETECTOR):
            yield "there is no GuardDuty detector"
    elif one.get("enable") is False:
        yield "it is switched off"
