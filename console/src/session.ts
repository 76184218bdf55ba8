// Who is signed in: an API key or a JWT, kept for this tab until it is closed.

const NAME = "fulcrum.token";

export function token(): string | null {
  return sessionStorage.getItem(NAME);
}

export function signIn(value: string): void {
  sessionStorage.setItem(NAME, value);
}

export function signOut(): void {
  sessionStorage.removeItem(NAME);
}

/** The one-time code of the URL that a local service prints; it is taken out of the address and of the history at once. */
export function takeCode(): string | null {
  const code = location.hash.match(/^#code=([A-Za-z0-9_-]+)$/)?.[1] ?? null;
  if (code !== null) history.replaceState(null, "", location.pathname);
  return code;
}

/** Exchanges a one-time code for the local service's key, once. */
export async function redeem(code: string): Promise<void> {
  const answer = await fetch("/console/session", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ code }),
  });
  const body = (await answer.json()) as { token?: string; error?: { message: string } };
  if (!answer.ok || body.token === undefined) throw new Error(body.error?.message ?? `status ${answer.status}`);
  signIn(body.token);
}
