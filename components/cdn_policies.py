"""What CloudFront caches, forwards and adds: policies and functions of the distribution."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from components.component import Component, DataClass, Site

YEAR_SECONDS = 31_536_000
PAGE_SECONDS = 3_600
"""How long an edge may keep a page that says nothing about itself."""
ANONYMOUS_SECONDS = 300
"""How long an edge may keep an answer that is the same for everybody."""
DAY_SECONDS = 86_400
IMAGE_SECONDS = 2_592_000
"""How long an edge may keep a resized image that says nothing about itself."""
IMAGE_QUERIES = ("w",)
"""The width: all that the resizer is told beside the format. It has a list of them, and refuses any other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CdnPoliciesArgs:
    """What the policies name.

    Attributes:
        page_hosts: may ask the API origin.
        api_host: named in the content security policy.
        cdn_host: named in the content security policy.
        image_resizing: with the policy and function of `/img/*`.
    """

    page_hosts: Sequence[str]
    api_host: str
    cdn_host: str
    image_resizing: bool = False


class CdnPolicies(Component):
    """Cache, origin request and response headers policies, and CloudFront Functions.

    AWS's own policies are looked up by name; ours exist only where AWS has none that fits.
    """

    KIND: ClassVar[str] = "edge:CdnPolicies"
    DATA_CLASS: ClassVar[DataClass] = "public"

    uncached_id: pulumi.Output[str | None]
    optimized_cache_id: pulumi.Output[str | None]
    everything_request_id: pulumi.Output[str | None]
    cors_request_id: pulumi.Output[str | None]
    pages_cache_id: pulumi.Output[str]
    anonymous_cache_id: pulumi.Output[str]
    immutable_cache_id: pulumi.Output[str]
    anonymous_request_id: pulumi.Output[str]
    secure_headers_id: pulumi.Output[str]
    public_headers_id: pulumi.Output[str]
    host_function_arn: pulumi.Output[str]
    immutable_function_arn: pulumi.Output[str]
    images_cache_id: pulumi.Output[str] | None
    images_function_arn: pulumi.Output[str] | None

    def __init__(
        self, name: str, site: Site, args: CdnPoliciesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Create the policies."""
        super().__init__(name, site, opts)
        self._name = name.removesuffix("-policies")
        self._look_up_managed()
        self.pages_cache_id = self._create_pages_cache()
        self.anonymous_cache_id = self._create_anonymous_cache()
        self.immutable_cache_id = self._create_immutable_cache()
        self.anonymous_request_id = self._create_anonymous_request()
        self.secure_headers_id = self._create_secure_headers(args)
        self.public_headers_id = self._create_public_headers()
        self.host_function_arn = self._create_function("host", "Tells the origin which host was asked", _host(args))
        self.immutable_function_arn = self._create_function("immutable", "Lets browsers keep assets", _IMMUTABLE)
        self.images_cache_id = self._create_images_cache() if args.image_resizing else None
        self.images_function_arn = (
            self._create_function("images", "Leaves one image format to accept", _IMAGES)
            if args.image_resizing
            else None
        )
        self.register_outputs({})

    def _look_up_managed(self) -> None:
        options = pulumi.InvokeOptions(parent=self)
        cache, request = aws.cloudfront.get_cache_policy_output, aws.cloudfront.get_origin_request_policy_output
        self.uncached_id = cache(name="Managed-CachingDisabled", opts=options).id
        self.optimized_cache_id = cache(name="Managed-CachingOptimized", opts=options).id
        # Without Host: the load balancer's certificate is for origin.<domain>.
        self.everything_request_id = request(name="Managed-AllViewerExceptHostHeader", opts=options).id
        self.cors_request_id = request(name="Managed-CORS-S3Origin", opts=options).id

    def _create_pages_cache(self) -> pulumi.Output[str]:
        """An hour, unless the origin says otherwise; a copy for each host and each set of cookies.

        Only the application knows which cookie makes a page personal, so all are in the key: no visitor
        can be shown the page of another.
        """
        return self._create_cache("pages", 0, PAGE_SECONDS, DAY_SECONDS, cookies="all", headers=("X-Forwarded-Host",))

    def _create_anonymous_cache(self) -> pulumi.Output[str]:
        """Five minutes, unless the origin says otherwise; a copy for each asking site, since CORS answers differ.

        Serving stale while revalidating is the origin's word (`stale-while-revalidate=86400`): no policy has a
        field for it. The maximum leaves room for both, in case it also bounds what is served stale (not verified).
        """
        return self._create_cache(
            "anonymous",
            0,
            ANONYMOUS_SECONDS,
            ANONYMOUS_SECONDS + DAY_SECONDS,
            cookies="none",
            headers=("Origin", "X-Forwarded-Host"),
        )

    def _create_immutable_cache(self) -> pulumi.Output[str]:
        """A year whatever the object says: its name changes with its content."""
        return self._create_cache("immutable", YEAR_SECONDS, YEAR_SECONDS, YEAR_SECONDS, cookies=None, headers=())

    def _create_images_cache(self) -> pulumi.Output[str]:
        """A month, unless the resizer says otherwise; a copy for each width and accepted format.

        Other query strings neither make another copy nor reach the resizer. `Accept` is what the function made of it.
        """
        return self._create_cache(
            "images",
            0,
            IMAGE_SECONDS,
            YEAR_SECONDS,
            cookies="none",
            headers=("Accept",),
            queries=IMAGE_QUERIES,
            compressed=False,
        )

    def _create_cache(
        self,
        kind: str,
        minimum: int,
        default: int,
        maximum: int,
        *,
        cookies: str | None,
        headers: Sequence[str],
        queries: Sequence[str] = (),
        compressed: bool = True,
    ) -> pulumi.Output[str]:
        """A cache policy; `cookies` None also leaves out the query string, `queries` leaves out all others."""
        behavior = "whitelist" if queries else "none" if cookies is None else "all"
        parameters = aws.cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginArgs(
            enable_accept_encoding_brotli=compressed,
            enable_accept_encoding_gzip=compressed,
            cookies_config=aws.cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginCookiesConfigArgs(
                cookie_behavior=cookies or "none"
            ),
            headers_config=aws.cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginHeadersConfigArgs(
                header_behavior="whitelist" if headers else "none",
                headers=(
                    aws.cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginHeadersConfigHeadersArgs(
                        items=list(headers)
                    )
                    if headers
                    else None
                ),
            ),
            query_strings_config=(
                aws.cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginQueryStringsConfigArgs(
                    query_string_behavior=behavior,
                    query_strings=(
                        aws.cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginQueryStringsConfigQueryStringsArgs(
                            items=list(queries)
                        )
                        if queries
                        else None
                    ),
                )
            ),
        )
        return aws.cloudfront.CachePolicy(
            f"{self._name}-{kind}",
            min_ttl=minimum,
            default_ttl=default,
            max_ttl=maximum,
            parameters_in_cache_key_and_forwarded_to_origin=parameters,
            opts=self.child(),
        ).id

    def _create_anonymous_request(self) -> pulumi.Output[str]:
        """What the origin may know of a request whose answer others will get: no cookie, no Authorization.

        Headers outside the cache key may be used for logs and limits only. A policy may not name
        Authorization, so it lists what passes (https://github.com/aws/aws-cdk/issues/28883).
        """
        return aws.cloudfront.OriginRequestPolicy(
            f"{self._name}-anonymous",
            cookies_config=aws.cloudfront.OriginRequestPolicyCookiesConfigArgs(cookie_behavior="none"),
            headers_config=aws.cloudfront.OriginRequestPolicyHeadersConfigArgs(
                header_behavior="whitelist",
                headers=aws.cloudfront.OriginRequestPolicyHeadersConfigHeadersArgs(
                    items=["CF-Connecting-IP", "User-Agent", "X-Request-ID"]
                ),
            ),
            query_strings_config=aws.cloudfront.OriginRequestPolicyQueryStringsConfigArgs(query_string_behavior="all"),
            opts=self.child(),
        ).id

    def _create_secure_headers(self, args: CdnPoliciesArgs) -> pulumi.Output[str]:
        """Security headers and HSTS for pages and API; the content security policy only reports, to consoles."""
        content = (
            f"default-src 'self' https://{args.cdn_host}; img-src 'self' data: https://{args.cdn_host}; "
            f"connect-src 'self' https://{args.api_host} wss://{args.api_host}; object-src 'none'; base-uri 'self'"
        )
        return aws.cloudfront.ResponseHeadersPolicy(
            f"{self._name}-secure",
            security_headers_config=_security_headers(),
            custom_headers_config=_custom_headers(
                {"Permissions-Policy": _PERMISSIONS, "Content-Security-Policy-Report-Only": content}
            ),
            opts=self.child(),
        ).id

    def _create_public_headers(self) -> pulumi.Output[str]:
        """The same for files that any site may use: CORS is added here, so that one cached copy serves all."""
        return aws.cloudfront.ResponseHeadersPolicy(
            f"{self._name}-public",
            security_headers_config=_security_headers(),
            custom_headers_config=_custom_headers({"Permissions-Policy": _PERMISSIONS}),
            cors_config=aws.cloudfront.ResponseHeadersPolicyCorsConfigArgs(
                access_control_allow_credentials=False,
                access_control_allow_origins=(
                    aws.cloudfront.ResponseHeadersPolicyCorsConfigAccessControlAllowOriginsArgs(items=["*"])
                ),
                access_control_allow_methods=(
                    aws.cloudfront.ResponseHeadersPolicyCorsConfigAccessControlAllowMethodsArgs(items=["GET", "HEAD"])
                ),
                access_control_allow_headers=(
                    aws.cloudfront.ResponseHeadersPolicyCorsConfigAccessControlAllowHeadersArgs(items=["*"])
                ),
                access_control_max_age_sec=DAY_SECONDS,
                origin_override=True,
            ),
            opts=self.child(),
        ).id

    def _create_function(self, kind: str, comment: str, code: str) -> pulumi.Output[str]:
        return aws.cloudfront.Function(
            f"{self._name}-{kind}",
            comment=comment,
            runtime="cloudfront-js-2.0",
            publish=True,
            code=code,
            opts=self.child(),
        ).arn


_PERMISSIONS = "geolocation=(), microphone=(), camera=()"

_IMMUTABLE = f"""\
// Viewer response. CloudFront does not call it for answers of 400 and more, and that is the point: a response
// headers policy would also tell browsers to keep the 404 of an asset that is not there yet, for a year.
function handler(event) {{
  event.response.headers['cache-control'] = {{ value: 'public, max-age={YEAR_SECONDS}, immutable' }};
  return event.response;
}}
"""

_IMAGES = """\
// Viewer request. Browsers write Accept in hundreds of ways, and each would be a copy of its own in the cache: the best
// format that is named stays.
function handler(event) {
  var headers = event.request.headers;
  var accepted = headers.accept ? headers.accept.value.toLowerCase() : '';
  var best = accepted.includes('image/avif') ? 'image/avif' : accepted.includes('image/webp') ? 'image/webp' : '*/*';
  headers.accept = { value: best };
  return event.request;
}
"""


def _host(args: CdnPoliciesArgs) -> str:
    return f"""\
// Viewer request, dynamic paths only. The origin is asked as origin.<domain>, so the host that was meant goes along
// in a header; whatever the viewer put there is overwritten. Other hosts serve files only.
var hosts = {json.dumps(list(args.page_hosts))};
function handler(event) {{
  var request = event.request;
  var host = request.headers.host.value;
  if (!hosts.includes(host)) {{
    return {{ statusCode: 404, statusDescription: 'Not Found' }};
  }}
  request.headers['x-forwarded-host'] = {{ value: host }};
  return request;
}}
"""


def _security_headers() -> aws.cloudfront.ResponseHeadersPolicySecurityHeadersConfigArgs:
    return aws.cloudfront.ResponseHeadersPolicySecurityHeadersConfigArgs(
        content_type_options=aws.cloudfront.ResponseHeadersPolicySecurityHeadersConfigContentTypeOptionsArgs(
            override=True
        ),
        frame_options=aws.cloudfront.ResponseHeadersPolicySecurityHeadersConfigFrameOptionsArgs(
            frame_option="DENY", override=True
        ),
        referrer_policy=aws.cloudfront.ResponseHeadersPolicySecurityHeadersConfigReferrerPolicyArgs(
            referrer_policy="strict-origin-when-cross-origin", override=True
        ),
        strict_transport_security=aws.cloudfront.ResponseHeadersPolicySecurityHeadersConfigStrictTransportSecurityArgs(
            access_control_max_age_sec=YEAR_SECONDS, include_subdomains=True, preload=True, override=True
        ),
    )


def _custom_headers(headers: dict[str, str]) -> aws.cloudfront.ResponseHeadersPolicyCustomHeadersConfigArgs:
    return aws.cloudfront.ResponseHeadersPolicyCustomHeadersConfigArgs(
        items=[
            aws.cloudfront.ResponseHeadersPolicyCustomHeadersConfigItemArgs(header=header, value=value, override=True)
            for header, value in headers.items()
        ]
    )
