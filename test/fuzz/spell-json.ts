import type { Dice } from '../support/dice.js';
import { Entries, type Value } from './values.js';

/** Writes JSON in every spelling that it has: white space, escapes of any character, exponents and fractions. */
export function spellJson(dice: Dice, value: Value): string {
  const gap = () => (dice.chance(10) ? dice.pick([' ', '\n', '\t', '\r', '  ']) : '');
  const spell = (item: Value): string => {
    if (typeof item === 'string') return spellText(dice, item);
    if (typeof item === 'bigint') return spellInteger(dice, item);
    if (typeof item === 'number') return Object.is(item, -0) ? '-0' : String(item);
    if (item === null || typeof item === 'boolean') return String(item);
    if (item instanceof Entries) {
      const members = item.pairs.map(
        ([key, member]) => `${gap()}${spellText(dice, key)}${gap()}:${gap()}${spell(member)}${gap()}`,
      );
      return `{${members.join(',') || gap()}}`;
    }
    return `[${item.map((one) => `${gap()}${spell(one)}${gap()}`).join(',') || gap()}]`;
  };
  return gap() + spell(value) + gap();
}

function spellText(dice: Dice, text: string): string {
  if (dice.chance(80)) return JSON.stringify(text);
  let out = '"';
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    const hex = unit.toString(16).padStart(4, '0');
    if (dice.chance(50)) out += `\\u${dice.chance(50) ? hex : hex.toUpperCase()}`;
    else if (unit === 0x2f) out += '\\/';
    else if (unit >= 0x20 && unit !== 0x22 && unit !== 0x5c && (unit < 0xd800 || unit > 0xdfff))
      out += text[i];
    else out += `\\u${hex}`;
  }
  return `${out}"`;
}

function spellInteger(dice: Dice, n: bigint): string {
  const plain = String(n);
  switch (dice.below(12)) {
    case 0:
      return `${plain}.0`;
    case 1:
      return `${plain}.${'0'.repeat(dice.below(25))}1`;
    case 2:
      return `${plain}e0`;
    case 3:
      return `${plain}0E-1`;
    case 4:
      return plain.replace(/(\d)$/, '.$1e+1').replace(/^(-?)\./, '$10.');
    case 5:
      return `${plain}${'0'.repeat(dice.below(40))}`;
    case 6:
      return `${plain}e${dice.below(400)}`;
    default:
      return plain;
  }
}
