import fc from 'fast-check';

/**
 * Property tests run with one seed unless told otherwise: a red run must mean that the change is wrong. `KASSA_TEST_SEED=random` looks for
 * news, `KASSA_TEST_SEED=n` repeats what it found.
 */
const given = process.env['KASSA_TEST_SEED'] ?? '20261120';
if (given !== 'random') fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(given) });
