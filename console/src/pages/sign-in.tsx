import { useState } from "preact/hooks";
import { ApiError, get } from "../api.ts";
import { Mark } from "../mark.tsx";
import { signIn, signOut } from "../session.ts";
import { Failure, Field, Notice } from "../ui.tsx";

export function SignIn({ message, done }: { message: string | undefined; done: () => void }) {
  const [value, setValue] = useState("");
  const [error, setError] = useState<Error>();
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    const key = value.trim();
    if (key === "") return setError(new Error("Enter a key or a token."));
    setBusy(true);
    setError(undefined);
    signIn(key);
    try {
      await get("/optimizations?limit=1");
      done();
    } catch (failed) {
      signOut();
      setBusy(false);
      setError(failed instanceof ApiError && failed.status === 403
        ? new Error("This key may not read models: it lacks the scope models:read.")
        : failed as Error);
    }
  };
  return (
    <main class="sign-in">
      <h1><Mark /> Fulcrum</h1>
      {message && <Notice tone="warn"><p role="alert">{message}</p></Notice>}
      <form onSubmit={submit}>
        <Field label="API key or token" hint="An API key (flk_…) or a JWT of your issuer. It stays in this tab and is gone when you close it.">
          {(ids) => (
            <input {...ids} type="password" autocomplete="off" autofocus spellcheck={false} value={value}
              onInput={(event) => setValue(event.currentTarget.value)} />
          )}
        </Field>
        {error && <Failure error={error} />}
        <button type="submit" class="primary" disabled={busy}>{busy ? "Signing in …" : "Sign in"}</button>
      </form>
    </main>
  );
}
