/**
 * The hash in cut names: 64-bit FNV-1a over the UTF-16 code units of the name, low byte first. It
 * must never change, or names made earlier are not found again. Not for secrets: whoever makes two
 * names collide gets two names all the same, as the full name is compared wherever it is known.
 */

const OFFSET_BASIS = 0xcbf29ce484222325n;
const PRIME = 0x100000001b3n;
const MASK = (1n << 64n) - 1n;

/** Sixteen hexadecimal digits. `attempt` goes into the hash when it is not 0. */
export function hashHex(name: string, attempt: number): string {
  let hash = OFFSET_BASIS;
  const mix = (byte: number): void => {
    hash = ((hash ^ BigInt(byte)) * PRIME) & MASK;
  };
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i);
    mix(unit & 0xff);
    mix(unit >> 8);
  }
  if (attempt > 0) mix(attempt);
  return hash.toString(16).padStart(16, "0");
}
