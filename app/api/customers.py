"""What users keep about their customers, and what they have: leads, companies, deals, campaigns, and so on."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from app.api.fields import Asked, Change, Email, Name, Optional
from app.api.resources import Reference, Resource, Row

LeadStatus = Literal["new", "contacted", "qualified", "lost"]
CampaignStatus = Literal["draft", "running", "paused", "done"]
Channel = Literal["email", "chat", "sms", "social"]
DealStatus = Literal["open", "won", "lost"]
Score = Annotated[int, Field(ge=0, le=100)]
Stage = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,29}$")]
"""Users name their own."""
AmountCents = Annotated[int, Field(ge=0, le=1_000_000_000_000)]
"""Ten billion, so that nobody's sum leaves a 64-bit integer."""


class _Changeable(Row):
    version: int
    created_at: datetime
    updated_at: datetime


class Lead(_Changeable):
    """Somebody who may become a customer."""

    email: str
    name: str
    company: str
    status: str
    score: int | None


class NewLead(Asked):
    """To be added."""

    email: Email
    name: Optional = ""
    company: Optional = ""
    status: LeadStatus = "new"
    score: Score | None = None


class LeadChange(Change):
    """What is to be another."""

    email: Email = ""
    name: Optional = ""
    company: Optional = ""
    status: LeadStatus = "new"
    score: Score | None = None


class Company(_Changeable):
    """A customer, or one to be."""

    name: str
    domain: str


class NewCompany(Asked):
    """To be added."""

    name: Name
    domain: Optional = ""


class CompanyChange(Change):
    """What is to be another."""

    name: Name = ""
    domain: Optional = ""


class Contact(_Changeable):
    """Somebody at a company."""

    company_id: UUID
    name: str
    email: str


class NewContact(Asked):
    """To be added."""

    company_id: UUID
    name: Name
    email: Email | Literal[""] = ""


class ContactChange(Change):
    """What is to be another; a contact stays with its company."""

    name: Name = ""
    email: Email | Literal[""] = ""


class Deal(_Changeable):
    """What a company may buy, or has bought."""

    company_id: UUID
    stage: str
    status: str
    amount_cents: int


class NewDeal(Asked):
    """To be added."""

    company_id: UUID
    stage: Stage = "new"
    status: DealStatus = "open"
    amount_cents: AmountCents = 0


class DealChange(Change):
    """What is to be another; a deal stays with its company."""

    stage: Stage = "new"
    status: DealStatus = "open"
    amount_cents: AmountCents = 0


class Campaign(_Changeable):
    """Mail to many."""

    name: str
    status: str


class NewCampaign(Asked):
    """To be added."""

    name: Name
    status: CampaignStatus = "draft"


class CampaignChange(Change):
    """What is to be another."""

    name: Name = ""
    status: CampaignStatus = "draft"


class Conversation(_Changeable):
    """With a lead, or with somebody who is none yet."""

    lead_id: UUID | None
    channel: str
    subject: str


class NewConversation(Asked):
    """To be begun."""

    lead_id: UUID | None = None
    channel: Channel
    subject: Optional = ""


class ConversationChange(Change):
    """What is to be another."""

    lead_id: UUID | None = None
    subject: Optional = ""


class Video(_Changeable):
    """What is known of a video; the file itself comes by an upload."""

    title: str
    status: str
    duration_seconds: int | None


class VideoChange(Change):
    """What is to be another."""

    title: Name = ""


class Subscription(Row):
    """What was paid for, until when. Payments write it, users do not."""

    tier: int
    status: str
    started_at: datetime
    expires_at: datetime | None
    created_at: datetime


RESOURCES = (
    Resource("leads", "lead", Lead, NewLead, LeadChange, filter_by="status", searched=True),
    Resource(
        "companies",
        "company",
        Company,
        NewCompany,
        CompanyChange,
        paging="page",
        searched=True,
        takes=Reference("company_id", "contacts"),
    ),
    Resource(
        "contacts",
        "contact",
        Contact,
        NewContact,
        ContactChange,
        filter_by="company_id",
        reference=Reference("company_id", "companies"),
        searched=True,
    ),
    Resource(
        "deals",
        "deal",
        Deal,
        NewDeal,
        DealChange,
        filter_by="status",
        reference=Reference("company_id", "companies"),
    ),
    Resource("campaigns", "campaign", Campaign, NewCampaign, CampaignChange, filter_by="status"),
    Resource(
        "conversations",
        "conversation",
        Conversation,
        NewConversation,
        ConversationChange,
        filter_by="channel",
        reference=Reference("lead_id", "leads"),
    ),
    Resource("videos", "video", Video, changed_by=VideoChange),
    Resource("subscriptions", "subscription", Subscription, paging="page"),
)
