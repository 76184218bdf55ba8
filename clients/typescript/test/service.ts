// A local service, and a network in front of it that fails as the test says.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { type IncomingHttpHeaders, createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { TestContext } from "node:test";

/** The command: FULCRUM_BINARY, or what cargo has built. */
const built = fileURLToPath(new URL("../../../../target/debug/fulcrum", import.meta.url));
export const binary = process.env.FULCRUM_BINARY ?? (existsSync(built) ? built : undefined);
/** Why tests against the service do not run, if they do not. */
export const skip = binary === undefined && "FULCRUM_BINARY has to name the command; `cargo build -p fulcrum` makes it";

export type Service = { url: string; key: string; api: (method: string, path: string, body?: unknown) => Promise<any> };

/** Starts the service on free ports; it ends with the test. */
export async function service(t: TestContext): Promise<Service> {
  const child: ChildProcess = spawn(binary!, ["local", "--ephemeral", "--port", "0"], { env: { PATH: process.env.PATH }, stdio: ["ignore", "pipe", "inherit"] });
  t.after(async () => {
    child.kill("SIGTERM");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  });
  let file: string | undefined;
  for await (const line of createInterface({ input: child.stdout! })) {
    file ??= /^Environment\s+(.*)$/.exec(line)?.[1];
    if (line.startsWith("Ctrl-C")) break;
  }
  if (file === undefined) throw new Error(`${binary} ended before it was up`);
  child.stdout!.resume();
  const variable = (name: string) => new RegExp(`^${name}=(.*)$`, "m").exec(readFileSync(file, "utf8"))![1]!;
  const [url, key] = [variable("FULCRUM_URL"), variable("FULCRUM_API_KEY")];
  const api = async (method: string, path: string, body?: unknown) => {
    const answer = await fetch(`${url}/api/v2/${path}`, { method, headers: { authorization: `Bearer ${key}` }, body: body === undefined ? null : JSON.stringify(body) });
    const json: any = await answer.json();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(json)}`);
    return json;
  };
  return { url, key, api };
}

/** What may happen to a request: it arrives or not, and its answer arrives or not. */
export type Fate = "passes" | "never arrives" | "its answer is lost" | "its answer is cut" | "its answer is late" | "503" | "429";

/** Stands in front of a service, and does to each request what is next in the list; the last for ever. */
export async function network(t: TestContext, url: string, fates: Fate[]): Promise<{ url: string; seen: () => number }> {
  let seen = 0;
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk) => chunks.push(chunk));
    incoming.on("end", () => {
      const fate = fates[Math.min(seen++, fates.length - 1)]!;
      if (fate === "never arrives") return void outgoing.destroy();
      if (fate === "503" || fate === "429") return void outgoing.writeHead(Number(fate), { "retry-after": "0" }).end("{}");
      const passed = request(`${url}${incoming.url}`, { method: incoming.method!, headers: incoming.headers as IncomingHttpHeaders }, (answer) => {
        const parts: Buffer[] = [];
        answer.on("data", (part) => parts.push(part));
        answer.on("end", () => {
          const body = Buffer.concat(parts);
          const reply = () => outgoing.writeHead(answer.statusCode!, answer.headers).end(body);
          if (fate === "its answer is lost") outgoing.destroy();
          else if (fate === "its answer is cut") outgoing.writeHead(answer.statusCode!, answer.headers).write(body.subarray(0, 5), () => outgoing.destroy());
          else if (fate === "its answer is late") setTimeout(reply, 3_000);
          else reply();
        });
      });
      passed.on("error", () => outgoing.destroy());
      passed.end(Buffer.concat(chunks));
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen: () => seen };
}

/** A model of one factor, and a way to wait until a training run has seen so many events. */
export async function model({ api }: Service) {
  const made = await api("POST", "models", {
    model_type: "mab",
    training_data_config: {
      design_factors: [{ name: "headline", dtype: "str", levels: ["A", "B"] }],
      reward: { name: "signup", type: "bool" },
      attribution: { type: "last_touch", conversion_window_hours: 24, immature: "include" },
    },
  });
  const seen = async () => {
    const { posteriors } = await api("GET", `models/${made.id}/posteriors`);
    return posteriors[0]?.observations ?? { exposures: 0, rewards: 0, attributed_rewards: 0, skipped: {} };
  };
  /** Flushes until a run has seen at least so many of both, and says what it saw. */
  const trained = async (exposures: number, rewards: number) => {
    for (const limit = Date.now() + 60_000; ; ) {
      await api("POST", "ingest/flush");
      await new Promise((resume) => setTimeout(resume, 200));
      const found = await seen();
      if ((found.exposures >= exposures && found.rewards >= rewards) || Date.now() > limit) return found;
    }
  };
  return { id: made.id as string, optimization: made.optimization_id as string, trained };
}
