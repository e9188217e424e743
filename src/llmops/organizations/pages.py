"""Settings → Team: everyone in the organization."""

from starlette.responses import Response

from llmops.organizations import members
from llmops.organizations.roles import Role
from llmops.web.doors import get
from llmops.web.render import render
from llmops.web.request import Request

PAGE_SIZE = 50
_JOINED = {
    "sign_up": "Signed up",
    "invitation": "Invited",
    "sso": "First SSO sign-in",
    "directory": "Directory",
    "operator": "Set up by LLM Ops",
}


def team(r: Request) -> Response:
    """GET /settings/team: search, role filter and page are in the address, so that a view can be shared."""
    actor = r.member
    text, role = (r.query("q") or "")[:100].strip(), r.query("role") or ""
    role = role if role in list(Role) else ""
    number = r.query("page") or "1"
    page = max(1, int(number)) if number.isascii() and number.isdigit() and len(number) < 7 else 1
    rows, total = members.listed(
        r.db, actor.organization_id, text=text, role=role, offset=(page - 1) * PAGE_SIZE, most=PAGE_SIZE
    )
    return render(
        r,
        "organizations/team.html",
        members=[
            {
                "name": row.name or row.email,
                "email": row.email,
                "role": row.role,
                "method": row.method,
                "status": row.status,
                "joined_at": row.joined_at,
                "joined_how": _JOINED.get(row.joined_how, row.joined_how),
                "last_seen_at": row.last_seen_at,
                "is_you": row.user_id == actor.user_id,
            }
            for row in rows
        ],
        total=total,
        page=page,
        pages=max(1, -(-total // PAGE_SIZE)),
        query=text,
        role_filter=role,
    )


doors = [get("/settings/team", team, signed_in=True)]
