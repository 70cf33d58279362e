/**
 * What a server that lost the end of its stream does to the program (a power failure before the
 * stream's last writes reached the disk): sequences come again for other messages.
 */
import { join } from "node:path";
import { STREAM, SUBJECT } from "./bed.ts";
import { type LoadShape, plannedMessages, Publisher } from "./load.ts";
import { pruneByHand } from "./prune_by_hand.ts";
import { type Scenario, type ScenarioRun, until, untilSettled, untilWritten } from "./scenario.ts";
import { KNOWN_MESSAGES } from "../servers/known_messages.ts";

/** Share of the last block file that is left. */
const LEFT = 0.5;

/** The program looks at the consumer's health every 30 s. */
const REPORT_MAX_MS = 60_000;

const STUCK_VERSION = "2.10.25";

/** Published while the consumer is stuck; fewer than were lost. */
const FEW: LoadShape = {
  messagesMin: 20,
  perSecond: Infinity,
  recordsMax: 4,
  poisonShare: 0,
  lateKeys: 0,
};

/** Ids of their rows begin here, far from those of the load. */
const FEW_FIRST_ID = 500_000_000;

/** See the top of this file. */
export const LOST_TAIL_SCENARIOS: readonly Scenario[] = [
  {
    name: "stream-tail-lost",
    title: "nats-server killed, the stream's end cut off: sequences come again for other messages",
    faults: async (run) => {
      const loss = await loseTail(run);
      run.publisher.release();
      await untilComeAgain(run, loss);
    },
  },
  {
    name: "stream-tail-stuck",
    title: "the same with a server that leaves the consumer ahead: reported, then made anew",
    bed: { natsVersion: STUCK_VERSION },
    faults: async (run) => {
      const loss = await loseTail(run);
      await makeConsumerAnew(run, loss);
    },
    seen: (_, { ledgerDrops }) => ledgerDrops > 0 ? null : "nothing came again",
  },
  {
    name: "pruned-tail-stuck",
    title: "the same after the ledger was pruned beyond the end that is left",
    bed: { natsVersion: STUCK_VERSION },
    faults: async (run) => {
      const loss = await loseTail(run, async () => {
        await pruneByHand(run);
      });
      await makeConsumerAnew(run, loss);
    },
  },
];

/** What a stream lost. */
interface LostTail {
  /** Its last sequence before. */
  readonly before: number;
  /** Its last sequence now. */
  readonly left: number;
  /** Everything stored after this is new; nanoseconds since the Unix epoch. */
  readonly atNs: bigint;
}

/**
 * Ends the stream earlier than what was written; nothing is published until the caller goes on.
 *
 * @param settled what is done when everything is settled, before the server ends
 */
async function loseTail(
  run: ScenarioRun,
  settled: () => Promise<void> = () => Promise.resolve(),
): Promise<LostTail> {
  const { bed, publisher } = run;
  await untilWritten(run, "processor-0");
  await publisher.hold();
  await untilSettled(run);
  await settled();
  const before = await lastSequence(run);
  await bed.nats.kill("SIGKILL");
  const atNs = BigInt(Date.now()) * 1_000_000n;
  await cutLastBlock(join(bed.nats.storeDir, "jetstream", "$G", "streams", STREAM, "msgs"));
  await bed.nats.restart();
  await until(async () => await lastSequence(run) > 0, "the stream to be there again");
  const left = await lastSequence(run);
  if (left >= before) throw new Error(`Nothing was lost: the stream still ends at ${left}`);
  return { before, left, atNs };
}

/**
 * As the report says: the program makes it anew, and what was written already is dropped. Few messages
 * are published before, so that the old consumer delivers none.
 */
async function makeConsumerAnew(run: ScenarioRun, loss: LostTail): Promise<void> {
  const { bed, publisher } = run;
  await until(() => run.hasLogged("is ahead of its stream"), "a report", REPORT_MAX_MS);
  const few = new Publisher(bed.stream, SUBJECT);
  await few.publish(plannedMessages(1, bed.targets, FEW, FEW_FIRST_ID), {
    ...FEW,
    signal: AbortSignal.abort(),
  });
  publisher.published.push(...few.published);
  if (await lastSequence(run) > loss.before) throw new Error("The stream caught up too soon");
  await (await bed.manager()).consumers.delete(STREAM, STREAM);
  await untilComeAgain(run, loss);
  publisher.release();
}

/** Waits until a message is written under a sequence that was another's. */
async function untilComeAgain({ bed: { sql } }: ScenarioRun, loss: LostTail): Promise<void> {
  await until(async () => {
    const found = await sql`
      select from ${sql.unsafe(KNOWN_MESSAGES)} known
      where seq <= ${loss.before} and stored_ns > ${String(loss.atNs)}::bigint limit 1`;
    return found.length > 0;
  }, "a message under a sequence that was another's");
}

/** The last sequence of the stream; 0 while the server cannot say. */
async function lastSequence({ bed }: ScenarioRun): Promise<number> {
  try {
    return (await (await bed.manager()).streams.info(STREAM)).state.last_seq;
  } catch {
    return 0; // just coming back
  }
}

async function cutLastBlock(folder: string): Promise<void> {
  const blocks: number[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (name.endsWith(".blk")) blocks.push(parseInt(name));
    // It is written seldom; without it the server reads the blocks.
    if (name === "index.db") await Deno.remove(join(folder, name));
  }
  const last = join(folder, `${Math.max(...blocks)}.blk`);
  const { size } = await Deno.stat(last);
  await Deno.truncate(last, Math.floor(size * LEFT));
}
