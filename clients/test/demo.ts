// `rekomi demo`, started for a test: the real server, with made-up sales coming in.
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type Role = "owner" | "manager" | "analyst" | "affiliate";

/** `REKOMI_BIN`, or the debug build of this tree. */
const BINARY = process.env["REKOMI_BIN"] ?? new URL("../../../target/debug/rekomi", import.meta.url).pathname;

export class Demo {
  readonly base: string;
  tokens = new Map<Role, string>();
  #server: ChildProcess | undefined;

  private constructor(
    private readonly folder: string,
    private readonly port: number,
  ) {
    this.base = `http://127.0.0.1:${port}`;
  }

  static async start(): Promise<Demo> {
    const demo = new Demo(await mkdtemp(join(tmpdir(), "rekomi-clients-")), await freePort());
    await demo.run();
    return demo;
  }

  /** Starts it again on the same data and the same port, after `kill`. */
  async run(): Promise<void> {
    const options = ["demo", "--port", String(this.port), "--db", join(this.folder, "demo.db")];
    const server = spawn(BINARY, options, { stdio: ["ignore", "pipe", "inherit"] });
    this.#server = server;
    let printed = "";
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.once("exit", (code) => reject(new Error(`rekomi demo ended with ${code}:\n${printed}`)));
      server.stdout.on("data", (chunk: Buffer) => {
        printed += chunk;
        if (/^ {2}affiliate +\S+.*\n/m.test(printed)) resolve();
      });
    });
    for (const [, role, token] of printed.matchAll(/^ {2}(owner|manager|analyst|affiliate) +(\S+)/gm)) {
      this.tokens.set(role as Role, token ?? "");
    }
  }

  /** Waits until so many sales of codes came in. */
  async sales(count: number): Promise<void> {
    const query = "{ conversions(filter: { attributionMethod: [COUPON], status: [PENDING] }) { totalCount } }";
    const headers = { authorization: `Bearer ${this.token("analyst")}`, "content-type": "application/json" };
    for (let tries = 0; tries < 600; tries += 1) {
      const response = await fetch(`${this.base}/graphql`, { method: "POST", headers, body: JSON.stringify({ query }) });
      const { data } = (await response.json()) as { data: { conversions: { totalCount: number } } };
      if (data.conversions.totalCount >= count) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error("the demo's sales do not come in");
  }

  token(role: Role): string {
    return this.tokens.get(role) ?? "";
  }

  /** As a power cut would. */
  async kill(): Promise<void> {
    const server = this.#server;
    if (server === undefined || server.exitCode !== null) return;
    const ended = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGKILL");
    await ended;
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
