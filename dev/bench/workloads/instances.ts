/**
 * What each instance more brings: W1 and W2 read by one, two and four instances of the program that
 * share a consumer. On two cores, which servers and instances share, throughput stands still when the
 * cores are full; what an instance more costs is seen in CPU per row.
 */
import { fillStream } from "../filled_stream.ts";
import { programVariant } from "../program_variant.ts";
import type { Workload } from "../workload.ts";
import { singleContent } from "./messages.ts";
import { mixedContent } from "./rows.ts";

const INSTANCES = [1, 2, 4];

/** One, two and four instances on one durable. */
export const INSTANCE_COUNTS: Workload = {
  id: "instances",
  title: "W1 and W2 read by 1, 2 and 4 instances that share a consumer",
  reaches: [],
  roundsMax: 2,
  prepare: async (stage, options) => {
    const many = await fillStream(stage, mixedContent(options.isQuick));
    const single = await fillStream(stage, singleContent(options.isQuick));
    return [["W1", many] as const, ["W2", single] as const].flatMap(([id, stream]) =>
      INSTANCES.map((instances) =>
        programVariant(stage, stream, {
          ...options,
          name: `${id}, ${instances} ${instances === 1 ? "instance" : "instances"}`,
          instances,
        })
      )
    );
  },
};
