// Where we are: the hash of the address, so that every page has one address and the service needs one route for all.
import { useEffect, useState } from "preact/hooks";

export type Route =
  | { page: "list" }
  | { page: "optimization"; id: string }
  | { page: "training" }
  | { page: "new" }
  | { page: "serve"; id: string | null };

export function parse(hash: string): Route {
  const parts = hash.replace(/^#\/?/, "").split("/").filter((part) => part !== "");
  const [first, id] = parts;
  if (first === "optimizations" && id !== undefined) return { page: "optimization", id };
  if (first === "training") return { page: "training" };
  if (first === "new") return { page: "new" };
  if (first === "serve") return { page: "serve", id: id ?? null };
  return { page: "list" };
}

export const at = {
  list: "#/",
  optimization: (id: string) => `#/optimizations/${id}`,
  training: "#/training",
  create: "#/new",
  serve: (id?: string) => (id === undefined ? "#/serve" : `#/serve/${id}`),
};

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parse(location.hash));
  useEffect(() => {
    const changed = () => {
      setRoute(parse(location.hash));
      scrollTo(0, 0);
    };
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}
