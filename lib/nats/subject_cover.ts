/**
 * How NATS subjects with wildcards relate. Pure.
 */

/** True when every subject that `inner` matches is matched by `outer` as well. */
export function coversSubject(outer: string, inner: string): boolean {
  const outerTokens = outer.split(".");
  const innerTokens = inner.split(".");
  for (const [i, token] of outerTokens.entries()) {
    const innerToken = innerTokens[i];
    if (innerToken === undefined) return false;
    if (token === ">") return true;
    if (innerToken === ">") return false;
    if (token !== "*" && token !== innerToken) return false;
  }
  return outerTokens.length === innerTokens.length;
}
