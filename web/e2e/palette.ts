import { deflateSync, inflateSync } from 'node:zlib'

/**
 * A screenshot with at most 256 colours: the page has few, so that nobody sees a difference, and the file is
 * about a third. Reads what Chromium writes: 8 bits, RGB or RGBA, not interlaced.
 */
export function withPalette(png: Buffer): Buffer {
  const { width, height, pixels } = decoded(png)
  const counts = new Map<number, number>()
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1)
  const colours = reduced(counts)
  const nearest = new Map([...counts.keys()].map((pixel) => [pixel, nearestTo(pixel, colours)]))
  const rows = Buffer.alloc((width + 1) * height)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      rows[y * (width + 1) + 1 + x] = nearest.get(pixels[y * width + x] as number) ?? 0
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 3, 0, 0, 0], 8)
  return Buffer.concat([
    png.subarray(0, 8),
    chunk('IHDR', header),
    chunk('PLTE', Buffer.from(colours.flatMap((colour) => parts(colour)))),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

const parts = (pixel: number): [number, number, number] => [
  pixel >> 16,
  (pixel >> 8) & 255,
  pixel & 255,
]

/** Each pixel as 0xRRGGBB. A screenshot has no transparency. */
function decoded(png: Buffer): { width: number; height: number; pixels: Uint32Array } {
  const width = png.readUInt32BE(16)
  const height = png.readUInt32BE(20)
  const step = png[25] === 6 ? 4 : 3
  if (png[24] !== 8 || png[28] !== 0) throw new Error('not a PNG as Chromium writes it')
  const data: Buffer[] = []
  for (let at = 8; at < png.length; at += png.readUInt32BE(at) + 12)
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT')
      data.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)))
  const raw = inflateSync(Buffer.concat(data))
  const line = width * step
  const pixels = new Uint32Array(width * height)
  let above = new Uint8Array(line)
  for (let y = 0; y < height; y++) {
    const start = y * (line + 1)
    const row = unfiltered(raw[start] ?? 0, raw.subarray(start + 1, start + 1 + line), above, step)
    for (let x = 0; x < width; x++) {
      const [red = 0, green = 0, blue = 0] = row.subarray(x * step, x * step + 3)
      pixels[y * width + x] = (red << 16) | (green << 8) | blue
    }
    above = row
  }
  return { width, height, pixels }
}

/** Source: PNG specification, section 9 (filtering). */
function unfiltered(
  kind: number,
  bytes: Uint8Array,
  above: Uint8Array,
  step: number,
): Uint8Array<ArrayBuffer> {
  const row = new Uint8Array(bytes.length)
  for (let at = 0; at < bytes.length; at++) {
    const left = at < step ? 0 : (row[at - step] ?? 0)
    const up = above[at] ?? 0
    const corner = at < step ? 0 : (above[at - step] ?? 0)
    const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][kind] ?? 0
    row[at] = (bytes[at] ?? 0) + guess
  }
  return row
}

function paeth(left: number, up: number, corner: number): number {
  const guess = left + up - corner
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)]
  if (a <= b && a <= c) return left
  return b <= c ? up : corner
}

/** Median cut: the box with the widest and most used range is halved until there are 256. */
function reduced(counts: ReadonlyMap<number, number>): number[] {
  const boxes: [number, number][][] = [[...counts]]
  while (boxes.length < 256) {
    const scored = boxes.map((box) => (box.length < 2 ? 0 : range(box).width * weight(box) ** 0.5))
    const most = Math.max(...scored)
    if (most === 0) break
    const [box = []] = boxes.splice(scored.indexOf(most), 1)
    const { channel } = range(box)
    const sorted = box.sort(([a], [b]) => (parts(a)[channel] ?? 0) - (parts(b)[channel] ?? 0))
    const half = weight(sorted) / 2
    let seen = 0
    const middle = sorted.findIndex(([, count]) => (seen += count) >= half)
    const cut = Math.min(Math.max(1, middle), sorted.length - 1)
    boxes.push(sorted.slice(0, cut), sorted.slice(cut))
  }
  // The most used colour of each box, so that plain surfaces keep their very colour.
  return boxes.map((box) => box.reduce((best, one) => (one[1] > best[1] ? one : best))[0])
}

const weight = (box: readonly [number, number][]): number =>
  box.reduce((sum, [, count]) => sum + count, 0)

function range(box: readonly [number, number][]): { channel: number; width: number } {
  const widths = [0, 1, 2].map((channel) => {
    let low = 255
    let high = 0
    for (const [pixel] of box) {
      const value = parts(pixel)[channel] ?? 0
      low = Math.min(low, value)
      high = Math.max(high, value)
    }
    return high - low
  })
  const width = Math.max(...widths)
  return { channel: widths.indexOf(width), width }
}

function nearestTo(pixel: number, colours: readonly number[]): number {
  const [red, green, blue] = parts(pixel)
  let best = 0
  let least = Infinity
  for (const [index, colour] of colours.entries()) {
    const [r, g, b] = parts(colour)
    const distance = (r - red) ** 2 * 2 + (g - green) ** 2 * 4 + (b - blue) ** 2
    if (distance < least) [best, least] = [index, distance]
  }
  return best
}

const CRC = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value >>> 0
})

function chunk(kind: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(kind, 'latin1'), data])
  let sum = 0xffffffff
  for (const byte of body) sum = (CRC[(sum ^ byte) & 255] as number) ^ (sum >>> 8)
  const whole = Buffer.alloc(body.length + 8)
  whole.writeUInt32BE(data.length, 0)
  body.copy(whole, 4)
  whole.writeUInt32BE((sum ^ 0xffffffff) >>> 0, body.length + 4)
  return whole
}
