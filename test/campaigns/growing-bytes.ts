/** Bytes by number, zero until set, of as many numbers as come. */
export class GrowingBytes {
  private bytes = new Uint8Array(1 << 12);

  get(n: number): number {
    return this.bytes[n] ?? 0;
  }

  set(n: number, value: number): void {
    while (n >= this.bytes.length) {
      const bigger = new Uint8Array(this.bytes.length * 2);
      bigger.set(this.bytes);
      this.bytes = bigger;
    }
    this.bytes[n] = value;
  }
}
