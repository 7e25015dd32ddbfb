/** Somebody asked for the question's box from another screen: it takes the focus when it appears. */
let wanted = false

export function wantQuestion(): void {
  wanted = true
}

/** Tells once whether the box was asked for. */
export function questionWanted(): boolean {
  const was = wanted
  wanted = false
  return was
}
