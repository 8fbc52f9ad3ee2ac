//! Cron schedules as durable records, one firing per tick.
