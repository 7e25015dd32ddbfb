/** The parts of a sentence that there are. */
export const some = (parts: readonly (string | false | undefined)[]): string[] =>
  parts.filter((part): part is string => typeof part === 'string' && part !== '')
