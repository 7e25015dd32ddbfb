/**
 * The stream client of MAGI. It knows the wire (frames, cursors, generations, refusals) and the fold
 * from events to a view; it knows no framework and draws nothing.
 *
 * Read first: {@link Client} (the calls), {@link Connection} (one deliberation, over as many
 * connections as it takes), {@link fold} (events to a {@link View}).
 */
export * from './client.ts'
export * from './connect.ts'
export * from './contract.ts'
export * from './cursor.ts'
export type { Env } from './env.ts'
export * from './fold.ts'
export { Problem, retryAfter } from './problem.ts'
export { FrameTooLarge, SseDecoder, type Frame } from './sse.ts'
