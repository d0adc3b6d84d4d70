/** This row fails: its effects are dropped, the other rows stand. `code` is stable and in kebab-case. */
export class RowFault extends Error {
  constructor(code: string, message?: string, args?: Record<string, string>);
  readonly code: string;
}

/** A decimal number with a fixed scale, kept as a whole number of its smallest unit. */
export class Decimal {
  constructor(units: number, scale: number);
  static parse(text: string, scale?: number): Decimal;
  readonly units: number;
  readonly scale: number;
  /** The same number with another scale; refused if digits would be lost. */
  at(scale: number): Decimal;
  /** Without its fraction, towards zero. */
  whole(): number;
  plus(other: Decimal): Decimal;
  minus(other: Decimal): Decimal;
  /** Less than zero, zero or more than zero, as a sort wants it. */
  compare(other: Decimal): number;
}

/** A moment, in microseconds since 1970. */
export class Timestamp {
  constructor(micros: number);
  static parse(text: string): Timestamp;
  static of(date: Date): Timestamp;
  readonly micros: number;
  plusSeconds(seconds: number): Timestamp;
  /** As JavaScript has it, to the millisecond. */
  toDate(): Date;
}

/** Lines for whoever runs the plugin; no personal data belongs here. */
export const log: Record<"debug" | "info" | "warn" | "error", (message: string, fields?: object) => void>;

/** An event that a rule causes, of the row's customer. */
declare class CausedEvent {
  readonly event: string;
}
