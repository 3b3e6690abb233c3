const { navigator } = globalThis as { navigator?: { languages?: readonly string[] } };

/** The page speaks English; a reader's own English decides how numbers and times look. */
export const LOCALE = navigator?.languages?.find((language) => /^en\b/i.test(language)) ?? 'en-GB';
