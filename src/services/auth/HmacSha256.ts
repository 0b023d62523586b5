/**
 * HMAC with SHA-256 (RFC 2104) under one key, for what every request has computed: two hashes in one call each take half
 * as long as an Hmac object of Node's (1.3 µs against 2.2 for a token of 400 characters).
 *
 * One buffer serves all, since nothing waits between its filling and its emptying; what is longer gets one of its own.
 */
import { hash } from "node:crypto"

/** Of SHA-256, in bytes. */
const blockBytes = 64
const digestBytes = 32

/** A token or a password of usual length, also where each character takes three bytes. */
const usualBytes = 4096

export class HmacSha256 {
  readonly #inner: Buffer
  readonly #outer = Buffer.alloc(blockBytes + digestBytes)

  constructor(key: Uint8Array) {
    const block = Buffer.alloc(blockBytes)
    block.set(key.length > blockBytes ? hash("sha256", key, "buffer") : key)
    this.#inner = Buffer.alloc(blockBytes + usualBytes)
    for (let i = 0; i < blockBytes; i++) {
      this.#inner[i] = (block[i] ?? 0) ^ 0x36
      this.#outer[i] = (block[i] ?? 0) ^ 0x5c
    }
  }

  /** Of the text and the bytes after it, in base64url. */
  of(text: string, bytes: Uint8Array = nothing): string {
    const most = blockBytes + text.length * 3 + bytes.length
    const buffer = most <= this.#inner.length ? this.#inner : this.#longer(most)
    const textEnd = blockBytes + buffer.write(text, blockBytes)
    buffer.set(bytes, textEnd)
    const end = textEnd + bytes.length
    this.#outer.write(hash("sha256", buffer.subarray(0, end), "latin1"), blockBytes, "latin1")
    // It may have been a password.
    buffer.fill(0, blockBytes, end)
    return hash("sha256", this.#outer, "base64url")
  }

  #longer(size: number): Buffer {
    const buffer = Buffer.alloc(size)
    buffer.set(this.#inner.subarray(0, blockBytes))
    return buffer
  }
}

const nothing = new Uint8Array(0)
