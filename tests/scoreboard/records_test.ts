import { chapter } from "./failure.ts";
import { REDIS_DETAILS } from "./redis_details.ts";
import { Stores } from "./stores.ts";

chapter("What is in a record", Stores.start, REDIS_DETAILS);
