/**
 * Numbers that the module and its host share: where things stand in a plan block and in the result
 * block, and what the codes mean. Plain constants, so that this one file is both AssemblyScript and
 * TypeScript. All offsets are in bytes, all fields are 32-bit unless said otherwise.
 */

/** Bytes that may be read or written beyond the end of any region: one vector. */
export const SLACK_BYTES = 16;

// The plan block: header, columns, spellings, hash slots, prediction, texts.

/** Number of columns. */
export const PLAN_COLUMN_COUNT = 0;
/** Hash slots minus one; their number is a power of two. */
export const PLAN_HASH_MASK = 4;
/** Offsets from the start of the block. */
export const PLAN_COLUMNS = 8;
export const PLAN_SPELLINGS = 12;
export const PLAN_HASH = 16;
export const PLAN_PREDICTED = 20;
/** Keys of a record that are predicted; later ones are looked up. */
export const PLAN_PREDICTED_COUNT = 24;
/** The time of receipt as it stands in a row: offset and length. */
export const PLAN_RECEIPT = 28;
export const PLAN_RECEIPT_LENGTH = 32;
/** One of the formats. */
export const PLAN_FORMAT = 36;
export const PLAN_HEADER_BYTES = 64;

/** Room for the time of receipt. */
export const RECEIPT_BYTES_MAX = 64;

export const FORMAT_TEXT = 0;
export const FORMAT_BINARY = 1;

// A column.

/** One of the types below. */
export const COLUMN_TYPE = 0;
/** Characters of an integer that surely fit, sign included. */
export const COLUMN_CHARACTERS_SAFE = 4;
/** Number of the record that had the column last. */
export const COLUMN_RECORD = 8;
/** How its value in that record is written: one of the forms. */
export const COLUMN_FORM = 12;
/** Addresses of that value; where they are one number, the value itself in 64 bits. */
export const COLUMN_START = 16;
export const COLUMN_END = 20;
export const COLUMN_BITS = 16;
/** Bytes of that number in COPY binary. */
export const COLUMN_WIDTH = 24;
export const COLUMN_BYTES = 32;

export const TYPE_BOOLEAN = 0;
export const TYPE_INTEGER = 1;
export const TYPE_FLOAT8 = 2;
export const TYPE_NUMERIC = 3;
export const TYPE_TIMESTAMPTZ = 4;
export const TYPE_JSON = 5;
export const TYPE_TEXT = 6;
/** Takes the time of receipt, and no value. */
export const TYPE_RECEIPT = 7;
/** Any other type: only null is taken here. */
export const TYPE_OTHER = 8;

// A spelling: the bytes of a key as they stand between quotes, closing quote included. A key may
// have several.

/** Offset of the bytes from the start of the block. */
export const SPELLING_TEXT = 0;
/** Length without the quote. */
export const SPELLING_LENGTH = 4;
/** FNV-1a of the bytes without the quote. */
export const SPELLING_HASH = 8;
/** Index of its column, or one of the roles below. */
export const SPELLING_COLUMN = 12;
export const SPELLING_BYTES = 16;

/** Its value does not matter. */
export const COLUMN_IGNORED = -1;
/** Only null does not matter. */
export const COLUMN_REFUSED = -2;
/** The record is none for the fast encoder. */
export const COLUMN_ALWAYS_PASSES = -3;

/** A hash slot or a prediction that holds no spelling; else it holds the spelling's number. */
export const NO_SPELLING = -1;

// What a call came to.

/** The whole message is encoded, or the envelope read. */
export const DONE = 0;
/** No room for another row: take what is there and go on at the place given. */
export const FULL = 1;
// The rest pass the record at the place given, for a reason.
export const PASS_NOT_OBJECT = 2;
export const PASS_UNKNOWN_KEY = 3;
export const PASS_ESCAPED_KEY = 4;
export const PASS_DUPLICATE_KEY = 5;
export const PASS_DEFAULT_COLUMN = 6;
export const PASS_OTHER_TYPE = 7;
/** A number near a limit of its type, or spelled with an exponent. */
export const PASS_NUMBER = 8;
/** A value of a kind that its column does not take, or takes only in another form. */
export const PASS_MISFIT = 9;
/** Text that PostgreSQL cannot hold. */
export const PASS_TEXT = 10;
/** Beyond the bounds of the fast encoder. */
export const PASS_SIZE = 11;
/** Nothing that the envelope pass has accepted. */
export const PASS_SYNTAX = 12;

// The result block.

/** Where to go on: offset in the message. */
export const RESULT_AT = 0;
/** Position of that record in its message. */
export const RESULT_ORDINAL = 4;
/** Rows and bytes of output since the last `beginOutput`. */
export const RESULT_ROWS = 8;
export const RESULT_OUTPUT_BYTES = 12;
/** Of an envelope: offsets in the message, -1 when absent. */
export const RESULT_ROUTE_START = 16;
export const RESULT_ROUTE_END = 20;
export const RESULT_PROCESSOR_START = 24;
export const RESULT_PROCESSOR_END = 28;
export const RESULT_RECORDS_START = 32;
export const RESULT_RECORDS_END = 36;
/** 1 when the records are a list. */
export const RESULT_IS_LIST = 40;
export const RESULT_RECORD_COUNT = 44;
export const RESULT_BYTES = 64;

/** Objects and lists within one another that a message may have; json_scanner.ts has the same. */
export const DEPTH_MAX = 1000;
