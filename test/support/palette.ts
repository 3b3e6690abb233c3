import { readFileSync } from 'node:fs';

/** Colours of the dashboard's style sheet, and how well they can be told apart. */

type Rgb = readonly [red: number, green: number, blue: number];

export type Scheme = 'light' | 'dark';

/** Each colour by its name, `#rrggbb`. */
export function palette(styleSheet: URL, scheme: Scheme): ReadonlyMap<string, string> {
  const text = readFileSync(styleSheet, 'utf8');
  const pairs = text.matchAll(/--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);/g);
  return new Map([...pairs].map(([, name, light, dark]) => [name!, scheme === 'light' ? light! : dark!]));
}

/** Contrast ratio of WCAG 2.2, 1 to 21. */
export function contrast(one: string, other: string): number {
  const [a, b] = [luminance(one), luminance(other)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

function luminance(colour: string): number {
  const [red, green, blue] = linear(colour);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function linear(colour: string): Rgb {
  const channel = (at: number) => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return [channel(1), channel(3), channel(5)];
}

/** How eyes without one kind of cone see a colour, at full severity: Machado, Oliveira and Fernandes 2009. */
const SIGHT: Readonly<Record<string, readonly Rgb[]>> = {
  full: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};
export const SIGHTS = Object.keys(SIGHT);

/** Distance of two colours in OKLab as such eyes see them; 0.02 can just be told apart side by side. */
export function distance(one: string, other: string, sight: string): number {
  const [a, b] = [oklab(seen(one, sight)), oklab(seen(other, sight))];
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

function seen(colour: string, sight: string): Rgb {
  const rgb = linear(colour);
  const row = (factors: Rgb) =>
    Math.min(1, Math.max(0, factors[0] * rgb[0] + factors[1] * rgb[1] + factors[2] * rgb[2]));
  const [red, green, blue] = SIGHT[sight] as readonly [Rgb, Rgb, Rgb];
  return [row(red), row(green), row(blue)];
}

/** https://bottosson.github.io/posts/oklab/ */
function oklab([r, g, b]: Rgb): Rgb {
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}
