/**
 * Finds keys by their bytes: an open-addressing hash table over UTF-8, so that no key is decoded to a
 * string while rows are encoded. Entries are numbered in the order they were added; those added last
 * can be taken out again.
 */

/** FNV-1a, 32 bits. */
const OFFSET_BASIS = 0x811c9dc5;
const PRIME = 0x01000193;

/** See the head of this file. */
export class KeyTable {
  readonly #keys: Uint8Array[] = [];
  readonly #hashes: number[] = [];
  /** Entry number plus one; 0 is free. At most half full. */
  #slots = new Int32Array(32);

  get size(): number {
    return this.#keys.length;
  }

  /** Adds a key that is not there; the bytes are kept. Returns its entry. */
  add(key: Uint8Array): number {
    const entry = this.#keys.length;
    const hash = hashBytes(key, 0, key.length);
    this.#keys.push(key);
    this.#hashes.push(hash);
    if (this.#keys.length * 2 > this.#slots.length) this.#rebuild(this.#slots.length * 2);
    else this.#place(entry, hash);
    return entry;
  }

  /** The entry of the key that stands between `start` and `end`, or -1. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const mask = this.#slots.length - 1;
    const hash = hashBytes(bytes, start, end);
    for (let slot = hash & mask;; slot = (slot + 1) & mask) {
      const entry = (this.#slots[slot] ?? 0) - 1;
      if (entry === -1) return -1;
      if (this.#hashes[entry] === hash && this.#equals(entry, bytes, start, end)) return entry;
    }
  }

  /** Takes all entries from `size` on out again. */
  truncate(size: number): void {
    if (size >= this.#keys.length) return;
    this.#keys.length = size;
    this.#hashes.length = size;
    this.#rebuild(this.#slots.length);
  }

  #equals(entry: number, bytes: Uint8Array, start: number, end: number): boolean {
    const key = this.#keys[entry];
    if (key === undefined || key.length !== end - start) return false;
    for (let i = 0; i < key.length; i++) if (key[i] !== bytes[start + i]) return false;
    return true;
  }

  #rebuild(slots: number): void {
    this.#slots = new Int32Array(slots);
    for (const [entry, hash] of this.#hashes.entries()) this.#place(entry, hash);
  }

  #place(entry: number, hash: number): void {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = entry + 1;
  }
}

function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = OFFSET_BASIS;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), PRIME);
  return hash | 0;
}
