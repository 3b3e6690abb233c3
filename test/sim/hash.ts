const MIX_A = 0x9e3779b1;
const MIX_B = 0x85ebca6b;
const LOW = 0xffffffffn;

/** A 64-bit hash of words, quick and not keyed. With a million values the chance that any two share one is 3 in 100 million. */
export class Hash {
  private a = 1;
  private b = 2;

  word(value: number): void {
    let a = Math.imul(this.a ^ value, MIX_A);
    a ^= a >>> 15;
    this.a = a;
    let b = Math.imul(this.b + value, MIX_B);
    b ^= (b >>> 13) ^ a;
    this.b = b | 0;
  }

  /** A whole number of up to 53 bits. */
  number(value: number): void {
    this.word(value | 0);
    this.word(Math.floor(value / 4294967296));
  }

  bigint(value: bigint): void {
    this.word(Number(value & LOW) | 0);
    this.word(Number((value >> 32n) & LOW) | 0);
  }

  text(value: string): void {
    this.word(value.length);
    for (let i = 0; i < value.length; i++) this.word(value.charCodeAt(i));
  }

  bytes(bytes: Uint8Array): void {
    this.word(bytes.length);
    for (let i = 0; i < bytes.length; i++) this.word(bytes[i]!);
  }

  /** What was hashed so far, into another hash. */
  into(other: Hash): void {
    other.word(this.a);
    other.word(this.b);
  }

  get value(): string {
    return `${(this.a >>> 0).toString(36)}.${(this.b >>> 0).toString(36)}`;
  }
}
