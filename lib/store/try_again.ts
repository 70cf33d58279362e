/** Why a try at a flush was rolled back on purpose. It never leaves the store. */

/** Not a failure: the flush writer tries again in another way, or says what is to be done. */
export class TryAgain extends Error {
  override readonly name = "TryAgain";
  /**
   * `called-off`: the flush before this one is not durable, so nothing may be written. `look-closer`:
   * something is not as it was taken to be; step by step it will be seen what. `ledger-not-plain`: the
   * same of the ledger, which may turn entries away without a word, or not be one to COPY into.
   */
  readonly why:
    | "known-messages"
    | "refused-rows"
    | "plan-stale"
    | "called-off"
    | "look-closer"
    | "ledger-not-plain";

  constructor(why: TryAgain["why"]) {
    super(why);
    this.why = why;
  }
}
