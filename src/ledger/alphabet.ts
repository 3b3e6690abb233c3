/** What a character is to a field: the union over a text tells whether it is valid, and whether it may hold a `{tag}`. */
export const FOREIGN = 1;
export const BRACE = 2;

export const ID_ALPHABET = alphabet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@-{}');
export const PRINTABLE = alphabet(Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join(''));

/** By byte. */
function alphabet(characters: string): Uint8Array {
  const table = new Uint8Array(256).fill(FOREIGN);
  for (const character of characters) table[character.charCodeAt(0)] = character === '{' ? BRACE : 0;
  return table;
}
