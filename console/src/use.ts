// What a page waits for.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

export interface Loaded<T> {
  data: T | undefined;
  error: Error | undefined;
  /** Loads again; what is shown stays until the new is there. */
  reload: () => void;
}

export function useLoaded<T>(load: () => Promise<T>, keys: unknown[]): Loaded<T> {
  const [state, setState] = useState<{ data: T | undefined; error: Error | undefined }>({ data: undefined, error: undefined });
  const run = useRef(0);
  const go = useCallback(() => {
    const mine = ++run.current;
    load().then(
      (data) => mine === run.current && setState({ data, error: undefined }),
      (error: Error) => mine === run.current && setState((before) => ({ data: before.data, error })),
    );
  }, keys);
  useEffect(() => {
    setState({ data: undefined, error: undefined });
    go();
    return () => void run.current++;
  }, [go]);
  return { ...state, reload: go };
}
