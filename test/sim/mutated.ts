import { register } from 'node:module';
import { MUTATION_VARIABLE, mutationNamed } from './mutations.js';

/** Loaded by `--import` before all else: from here on modules are loaded with the mutation that the environment names. */

const name = process.env[MUTATION_VARIABLE];
if (name === undefined) throw new Error(`${MUTATION_VARIABLE} names no mutation`);
register('./mutation-hooks.js', import.meta.url, { data: mutationNamed(name).edits });
