import type { LoadHook } from 'node:module';
import type { Edit } from './mutations.js';

/** Customization hooks of Node's module loader: make the edits of a mutation in what is loaded. See `mutated.ts`, which registers them. */

let edits: readonly Edit[] = [];

export function initialize(data: readonly Edit[]): void {
  edits = data;
}

export const load: LoadHook = async (url, context, nextLoad) => {
  const loaded = await nextLoad(url, context);
  const concerned = edits.filter(({ file }) => url.endsWith(`/dist/${file}`));
  if (concerned.length === 0) return loaded;
  let source = String(
    typeof loaded.source === 'string' ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString(),
  );
  for (const edit of concerned) source = edited(source, edit);
  return { ...loaded, source };
};

/** @throws when what is to be found is not there exactly once */
export function edited(source: string, { file, find, replace }: Edit): string {
  const parts = source.split(find);
  if (parts.length !== 2)
    throw new Error(`${file} holds ${parts.length - 1} times what a mutation is to replace: ${find}`);
  return parts.join(replace);
}
