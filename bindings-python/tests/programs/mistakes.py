"""Mistakes of a user, one a line, that a type checker finds. It is not run."""

from __future__ import annotations

from mcp_reauth import AuthSession, Client, Policy, ReauthError, StoredRecord, blocking


class Host:
    def confirm_step_up(self) -> bool:
        return True


AuthSession.open("https://mcp.example/mcp", clientname="x")  # mistake
AuthSession.open("https://mcp.example/mcp", host=Host())  # mistake
AuthSession.open("https://mcp.example/mcp", store={})  # mistake
AuthSession.open("https://mcp.example/mcp", dpop="often")  # mistake
AuthSession.open("https://mcp.example/mcp", policy={})  # mistake
Policy(on_insufficient_scope="raise")  # mistake
Client(secret="x")  # mistake
StoredRecord(version="1", data=b"")  # mistake
print(ReauthError("x").code == 5, ReauthError("x").unknown)  # mistake
blocking.AuthSession.open("https://mcp.example/mcp").sign_in(again="yes")  # mistake
