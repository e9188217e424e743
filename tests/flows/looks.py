"""Every page of the site, and who looks at it; a real browser for each of them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from flows.scenery import Said, Scene, build_scene, served
from playwright.sync_api import Browser, Page
from support.browser import page_of
from support.installation import installed
from support.postgres import Postgres
from world import opened

PAGES: dict[str, tuple[str, ...]] = {
    "/login": (
        "nobody", "nobody /login?sso_error=saml_expired&ref=K7QF-2M4X", "nobody /login?sso_error=sso_required",
    ),
    "/login/break-glass": ("nobody",),
    "/login/code": ("halfway",),
    "/login/forgot": ("nobody",),
    "/login/link": ("nobody",),
    "/login/rescue": ("nobody",),
    "/login/reset": ("nobody",),
    "/login/sso/{slug}": ("nobody",),
    "/logout": ("nobody",),
    "/confirm": ("olga", "mia", "ben"),
    "/confirm/link": ("ben",),
    "/invitation": ("nobody",),
    "/signup": ("nobody",),
    "/signup/verify": ("nobody",),
    "/": ("olga", "mia", "gus"),
    "/settings/audit": ("olga",),
    "/settings/billing": ("olga", "adam", "fay", "gus"),
    "/settings/billing/contact-sales": ("gus",),
    "/settings/profile": ("olga", "mia"),
    "/settings/profile/two-step": ("olga", "mia"),
    "/settings/profile/two-step/set-up": ("adam",),
    "/settings/security": ("olga", "adam", "gus"),
    "/settings/security/activity": ("adam", "gus"),
    "/settings/security/activity/{login_id}": (
        "adam /settings/security/activity/{refused}", "bea /settings/security/activity/{denied}",
    ),
    "/settings/team": ("olga", "mia", "gus", "olga /settings/team?q=zzz"),
    "/settings/team/invite": ("adam",),
    "/settings/team/leave": ("mia", "gus"),
    "/settings/team/{member_id}": ("olga", "mia"),
    "/staff": ("sam",),
    "/staff/logins": ("sam",),
    "/staff/organizations": ("sam", "sam /staff/organizations?q=zzz"),
    "/staff/organizations/{slug}": ("sam", "sam /staff/organizations/cedar"),
    "/staff/sign-in": ("nobody",),
    "/staff/sign-in/code": ("halfway staff",),
    "/portal": ("guest", "beginner", "viewer"),
    "/portal/activate": ("guest", "beginner"),
    "/portal/domains": ("guest", "beginner"),
    "/portal/finish": ("guest", "beginner"),
    "/portal/left": ("nobody",),
    "/portal/provider": ("guest", "beginner", "viewer"),
    "/portal/start": ("nobody",),
    "/portal/test": ("guest", "beginner"),
    "/portal/test/{login_id}": ("guest /portal/test/{passed}", "guest /portal/test/{failed}"),
    "/portal/{kind}/{step}": tuple(
        f"{who} /portal/okta-saml/{step}"
        for who, step in (
            ("beginner", "addresses"), ("beginner", "attributes"), ("beginner", "assign"), ("beginner", "metadata"),
            ("guest", "metadata"),
        )
    ),
}  # fmt: skip
"""Every door that shows a page, with who looks at it, and where when that is not the door's own address."""

REFUSALS = (
    ("nobody /nowhere", 404), ("mia /settings/audit", 403), ("mia /invitation", 403), ("nobody /portal", 403),
    ("guest /portal/test/login_x", 404), ("sam /staff/organizations/nowhere", 404),
)  # fmt: skip
"""Where somebody is told why not."""

ANSWERS: tuple[tuple[str, dict[str, str], str], ...] = (
    ("nobody /login", {"Email": "ann@acme.test", "Password": "wrong"}, "Sign in"),
    ("nobody /login", {"Work email": "ann@nobody.test"}, "Continue with SSO"),
    ("nobody /signup", {"First name": "Nora"}, "Create account"),
    ("nobody /login/break-glass", {"Email": "ann@acme.test"}, "Sign in for an hour"),
    ("nobody /login/forgot", {"Email": "ann@acme.test"}, "Send the link"),
    ("halfway /login/code", {"Six-digit code": "000000"}, "Sign in"),
    ("gus /settings/billing/contact-sales", {"Phone": "none"}, "Send to sales"),
    ("adam /settings/team/invite", {"E-mail addresses": "nonsense, new@elsewhere.test"}, "Send invitations"),
    ("adam /settings/profile/two-step/set-up", {"Six-digit code": "000000"}, "Switch on two-step sign-in"),
    ("mia /settings/profile", {"Present password": "wrong", "New password": "short"}, "Change password"),
    ("olga /settings/security", {"Add a domain": "gmail.com"}, "Add"),
    ("olga /settings/security", {}, "Make a link"),
    ("beginner /portal/domains", {"Domain": "nonsense"}, "Add domain"),
    ("beginner /portal/domains", {}, "Check now"),
    ("beginner /portal/okta-saml/assign", {}, "Continue"),
    ("beginner /portal/okta-saml/metadata", {"Or its content": "<html>"}, "Read it"),
    ("sam /staff/organizations/{slug}", {}, "Change the contract"),
    ("sam /staff/organizations/{slug}", {}, "Claim the domain"),
    ("sam /staff/logins", {"Reference or id of the attempt": "nonsense", "Reason": "a call"}, "Read the trace"),
    ("sam /staff/logins", {"Reference or id of the attempt": "{refused}", "Reason": "a call"}, "Read the trace"),
    ("olga /settings/profile/two-step", {}, "Make new recovery codes"),
)
"""Forms that are answered with a page: where, what is typed under which label, and the button."""

NO_PAGES = {
    "/healthz": "JSON", "/readyz": "JSON", "/version": "JSON", "/metrics": "text for a program", "/session": "JSON",
    "/login/sso/callback": "leads on", "/login/sso/{slug}/start": "leads on", "/sso/test/{login_id}": "leads on",
    "/sso/oidc/{connection_id}/callback": "leads on", "/sso/saml/{connection_id}/metadata": "XML",
    "/portal/test/latest": "leads on", "/portal/test/{login_id}/message": "a file",
}  # fmt: skip
LOOKS = [(door, look) for door, looks in PAGES.items() for look in looks]


@dataclass
class Gallery:
    """The scene behind a port, and a real browser's page for everybody in it."""

    scene: Scene
    browser: Browser
    url: str
    running: ExitStack
    pages: dict[str, Page] = field(default_factory=dict)

    def page_of(self, who: str) -> Page:
        """The page of one person, with their cookies."""
        if who not in self.pages:
            self.pages[who] = self.running.enter_context(page_of(self.browser, self.url))
            self.pages[who].context.add_cookies(self.scene.cookies(who))
            self.pages[who].emulate_media(reduced_motion="reduce")
        return self.pages[who]

    def filled(self, text: str) -> str:
        """A text with the names in braces replaced by what they stand for."""
        for name, value in self.scene.paths.items():
            text = text.replace(name, value) if name.startswith("{") else text
        return text

    def open(self, door: str, look: str, *, status: int = 200) -> Page:
        """Open what a look says. Raises: AssertionError, when it leads elsewhere or is answered with another status."""
        who, _, given = look.partition(" /")
        path = f"/{given}" if given else door
        path = self.scene.paths.get(path, path)
        path = self.filled(path)
        page = self.page_of(who)
        answer = page.goto(path)
        assert answer is not None
        assert (answer.status, urlsplit(page.url).path) == (status, urlsplit(path).path), page.url
        return page


@contextmanager
def gallery(
    browser: Browser, folder: Path, postgresql: Postgres | None, template: str | Path, said: Said
) -> Iterator[Gallery]:
    """The site with everything that others say in it, to be looked at.

    Raises: AssertionError at the end when a page had a fault, see `page_of`.
    """
    with ExitStack() as running:
        product = running.enter_context(installed(folder, postgresql, template))
        database = running.enter_context(product.database())
        world = running.enter_context(opened(database, product.folder, base_url=product.url))
        scene = build_scene(world, said)
        running.enter_context(served(world))
        yield Gallery(scene, browser, product.url, running)
