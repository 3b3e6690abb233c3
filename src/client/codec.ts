import { Packr } from 'msgpackr';

const packr = new Packr({
  useRecords: false,
  mapsAsObjects: true,
  structuredClone: false,
  moreTypes: false,
  copyBuffers: true,
  // Known to the decoder, not to its types: a number when that is exact, else a bigint.
  int64AsType: 'auto' as 'number',
});

/** MessagePack of a plain value. The bytes are the encoder's own: use or copy them before the next call. */
export function encode(value: unknown): Uint8Array {
  return packr.pack(value);
}

/** @throws for bytes that are not one MessagePack value. Integers beyond 2^53 come as bigint. */
export function decode(bytes: Uint8Array): unknown {
  return packr.unpack(bytes);
}
