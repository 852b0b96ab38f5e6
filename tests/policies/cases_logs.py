"""Rules about logs, alarms, the trail and GuardDuty."""

from __future__ import annotations

from policies.rule import ROOT
from policies.rules import logs
from tests.policies.cases import GONE, PREFIX, Case, made

ALARM = {
    "alarmActions": ["arn"],
    "alarmDescription": "It does not answer. Runbook: docs/runbooks/uptime.md",
    "treatMissingData": "breaching",
}

CASES = [
    Case(
        rule="logs-retention",
        good=[made(logs.LOG_GROUP, "flow", {"retentionInDays": 30})],
        path="retentionInDays",
        broken=[0, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="logs-own-key",
        good=[made(logs.LOG_GROUP, "flow", {"kmsKeyId": "key"})],
        path="kmsKeyId",
        broken=["", GONE],
        absent="broken",
        unknown="fine",
        shipped="*-network-flow",
    ),
    Case(
        rule="alarm-notifies",
        good=[made(logs.ALARM, "down", ALARM)],
        path="alarmActions",
        broken=[[], GONE],
        absent="broken",
        unknown="fine",
        shipped="uptime-down",
    ),
    Case(
        rule="alarm-missing-data",
        good=[made(logs.ALARM, "down", ALARM)],
        path="treatMissingData",
        broken=["missing", "", GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="alarm-runbook",
        good=[made(logs.ALARM, "down", ALARM)],
        path="alarmDescription",
        broken=["It does not answer.", GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="events-rule-target",
        good=[
            made(logs.EVENT_RULE, "findings"),
            made(logs.EVENT_TARGET, "findings", {"arn": "arn"}, sources={"rule": [f"{logs.EVENT_RULE}::findings"]}),
        ],
        path="@urn",
        broken=[f"{PREFIX}nobodys"],
        absent="broken",
        unknown="fine",
    ),
    Case(
        rule="cloudtrail-all-regions",
        good=[made(logs.TRAIL, "audit", {"isMultiRegionTrail": True}), made(ROOT)],
        path="isMultiRegionTrail",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="cloudtrail-validated",
        good=[made(logs.TRAIL, "audit", {"enableLogFileValidation": True})],
        path="enableLogFileValidation",
        broken=[False, GONE],
        absent="broken",
        unknown="undecided",
    ),
    Case(
        rule="guardduty-enabled",
        good=[made(logs.DETECTOR, "audit", {"enable": True}), made(ROOT)],
        path="enable",
        broken=[False],
        absent="fine",
        unknown="undecided",
    ),
]
