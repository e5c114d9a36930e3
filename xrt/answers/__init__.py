"""What it means: tables, statistics, figures, reports, and the projection into MLflow. Reads records only."""
